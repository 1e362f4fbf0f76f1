"""What a command says when the service elsewhere does not answer, does not know it, or is something else."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.db.engine import Database
from tests.arrival.inventories import day, deliver
from tests.support.postgres import Server
from tests.support.service import command, serving


@contextmanager
def answering(body: bytes) -> Iterator[str]:
    """Answer every connection with the same bytes."""
    program = (
        "import socket, sys\n"
        "listening = socket.create_server(('127.0.0.1', 0)); print(listening.getsockname()[1], flush=True)\n"
        "while True:\n"
        "    connection, _ = listening.accept(); connection.recv(65536)\n"
        "    connection.sendall(bytes.fromhex(sys.argv[1])); connection.close()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, body.hex()], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def refused(*arguments: str, **environment: str) -> str:
    result = command(*arguments, **environment)
    assert (result.returncode, result.stdout) == (2, ""), result
    assert "Traceback" not in result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr


def test_nobody_answers() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        for arguments in (("jobs",), ("report", "1", "phantoms", "--csv"), ("changes", "1"), ("reconcile", "s3://a/m")):
            assert f"Nobody answers at {url}" in refused(*arguments, "--url", url)
        assert f"Nobody answers at {url}" in refused("jobs", RECONCILE_URL=url)


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://localhost", "http://", "http://[::1", "file:///tmp"])
def test_an_address_that_is_none(url: str) -> None:
    assert "address" in refused("jobs", "--url", url)


def test_somebody_else_answers() -> None:
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi"
    gateway = b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n"
    for body in (page, gateway):
        with answering(body) as url:
            assert "is that its address?" in refused("jobs", "--url", url)
    with answering(b"SSH-2.0-OpenSSH_9.9\r\n") as url:
        assert "The service does not answer" in refused("jobs", "--url", url)


def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_report() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
    with answering(head + b"10\r\n" + b'{"keyPath":"a"}\n' + b"\r\n") as url:
        result = command("report", "1", "orphans", "--json", "--url", url)
    assert (result.returncode, result.stdout) == (2, '{"keyPath":"a"}\n')
    assert "not the whole" in result.stderr


def guarded(database: Database, folder: Path, scope: str) -> tuple[str, dict[str, str]]:
    """Make a token of that scope, and give it with the environment of a service that knows it."""
    made = command("token", "new", "--name", "caller", "--scope", scope).stdout
    token, entry = (line.partition(": ")[2] for line in made.splitlines())
    return token, {
        "RECONCILE_DATABASE_URL": database.url,
        "RECONCILE_DATA_DIR": str(folder),
        "RECONCILE_API_TOKENS": f"[{entry}]",
    }


async def test_tokens(database: Database, tmp_path: Path) -> None:
    token, environment = guarded(database, tmp_path, "read")
    with serving(tmp_path / "log", **environment) as (client, _):
        url = str(client.base_url)
        assert "set RECONCILE_TOKEN" in refused("jobs", "--url", url)
        assert "does not know the token" in refused("jobs", "--url", url, RECONCILE_TOKEN="wrong")  # noqa: S106
        assert command("jobs", "--url", url, RECONCILE_TOKEN=f" {token}\n").returncode == 0
        cut = refused("jobs", "--url", url, RECONCILE_TOKEN=f"{token[:9]}\n{token[9:]}")
        assert "RECONCILE_TOKEN cannot be sent" in cut
        assert token[:9] not in cut
        assert "may not write" in refused("reconcile", "s3://a/manifest.json", "--url", url, RECONCILE_TOKEN=token)
    assert command("jobs", **environment).returncode == 0


async def test_who_may_not_follow_a_job_hears_its_id(database: Database, tmp_path: Path) -> None:
    token, environment = guarded(database, tmp_path, "write")
    manifest = deliver(tmp_path, day(1))
    with serving(tmp_path / "log", **environment) as (client, _):
        asked = ("reconcile", manifest, "--url", str(client.base_url))
        said = refused(*asked, RECONCILE_TOKEN=token)
        assert "Job 1 is queued, but following it, which needs the scope read, was refused: " in said
        assert command(*asked, "--no-follow", RECONCILE_TOKEN=token).returncode == 0


async def test_a_database_that_is_not_there_or_not_migrated(server: Server) -> None:
    nowhere = "postgresql://postgres@127.0.0.1:1/postgres"
    assert "cannot be reached" in refused("jobs", RECONCILE_DATABASE_URL=nowhere)
    async with server.fresh(template="template0") as name:
        assert "orca-reconcile migrate" in refused("jobs", RECONCILE_DATABASE_URL=server.url(name))


async def test_what_a_sentence_cannot_tell_is_in_the_log(server: Server) -> None:
    async with server.fresh() as name, server.login() as stranger:
        result = command("jobs", RECONCILE_DATABASE_URL=server.url(name, user=stranger))
    line, sentence = result.stderr.splitlines()
    assert result.returncode == 2
    assert sentence.endswith("The database refused the work (SQLSTATE 42501); the service's log says more.")
    assert "permission denied for schema orca" in json.loads(line)["exception"][0]["exc_value"]
