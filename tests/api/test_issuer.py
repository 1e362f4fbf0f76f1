"""Access tokens of an OpenID Connect issuer, which is a real one with keys of its own."""

from __future__ import annotations

import asyncio
import base64
import hmac
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI
from pydantic import ValidationError
from structlog.typing import EventDict

from app.api import issuer as issuers
from app.api.login import KEPT_LONGER_S
from app.api.session import COOKIE
from app.errors import IssuerUnavailable
from app.settings import Settings
from tests.api.problem import problem_of
from tests.support.certificate import tls_of_loopback
from tests.support.issuer import AUDIENCE, LittleIssuer


@pytest.fixture
def issuer() -> Iterator[LittleIssuer]:
    with LittleIssuer() as issuer:
        yield issuer


@pytest.fixture
def settings(tmp_path: Path, issuer: LittleIssuer) -> Settings:
    return Settings(data_dir=tmp_path, oidc_issuer=issuer.url, oidc_audience=AUDIENCE)


@pytest_asyncio.fixture(loop_scope="session")
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://service") as client:
        yield client


async def ask(client: httpx.AsyncClient, token: str, method: str = "GET", path: str = "/jobs") -> httpx.Response:
    return await client.request(method, path, headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS256"])
async def test_a_valid_token_opens_what_its_scopes_say(
    client: httpx.AsyncClient, issuer: LittleIssuer, logged: list[EventDict], algorithm: str
) -> None:
    assert (await ask(client, issuer.token(algorithm=algorithm))).status_code == 200
    problem_of(await ask(client, issuer.token(algorithm=algorithm), "DELETE", "/jobs/1"), 403, "not-allowed")
    both = issuer.token(algorithm=algorithm, scope="openid orca-reconcile:read orca-reconcile:write")
    assert (await ask(client, both)).status_code == 200
    assert (await ask(client, both, "DELETE", "/jobs/1")).status_code == 404
    assert [one["who"] for one in logged if one["event"] == "write"] == ["ana"]
    assert issuer.fetched == 1


@pytest.mark.parametrize("scope", [None, "", [], {}, 7, ["orca-reconcile:write", 5], "read", "orca-reconcile:reader"])
async def test_a_token_without_the_scope_opens_nothing(
    client: httpx.AsyncClient, issuer: LittleIssuer, scope: object
) -> None:
    problem_of(await ask(client, issuer.token(scope=scope)), 403, "not-allowed")


async def test_elliptic_curves_and_other_claims(issuer: LittleIssuer, settings: Settings) -> None:
    issuer.add_ec("curve")
    chosen = settings.model_copy(update={"oidc_scope_claim": "roles", "oidc_write_scope": "operator"})
    token = await issuers.Issuer(chosen).access_token(issuer.token("curve", algorithm="ES256", roles=["operator"]))
    assert (token.name, set(token.scopes)) == ("ana", {"write"})


def confused(public: bytes, payload: str) -> str:
    """Sign with what everybody may know, which PyJWT itself refuses to do."""
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"first"}').rstrip(b"=")
    signed = header + b"." + payload.encode()
    signature = base64.urlsafe_b64encode(hmac.digest(public, signed, "sha256")).rstrip(b"=")
    return (signed + b"." + signature).decode()


def bad_tokens(issuer: LittleIssuer) -> dict[str, str]:
    now = int(time.time())
    public = issuer.keys["first"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    stranger = LittleIssuer()
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    header, payload, signature = issuer.token().split(".")
    more = issuer.token(scope="orca-reconcile:write").split(".")[1]
    return {
        "another audience": issuer.token(aud="another"),
        "another issuer": issuer.token(iss="https://another.example"),
        "over": issuer.token(exp=now - 31),
        "not yet": issuer.token(nbf=now + 60),
        "no end": issuer.token(left_out="exp"),
        "no issuer": issuer.token(left_out="iss"),
        "no audience": issuer.token(left_out="aud"),
        "unsigned": jwt.encode(claims, "", "none", {"kid": "first"}),
        "signed with the public key as a secret": confused(public, payload),
        "another's key of that id": jwt.encode(claims, stranger.keys["first"], "RS256", {"kid": "first"}),
        "an unknown key": jwt.encode(claims, stranger.keys["first"], "RS256", {"kid": "unknown"}),
        "no key id": jwt.encode(claims, issuer.keys["first"], "RS256"),
        "other claims": f"{header}.{more}.{signature}",
        "cut": f"{header}.{payload}",
        "a curve's algorithm on an RSA key": "eyJhbGciOiJFUzI1NiIsImtpZCI6ImZpcnN0In0." + payload + "." + signature,
        "no words": "x.y.z",
        "a wrong end": issuer.token(exp="soon"),
        "an odd subject": issuer.token(sub=["ana"]),
    }


@pytest.mark.parametrize("what", bad_tokens(LittleIssuer()))
async def test_any_other_token_is_refused(client: httpx.AsyncClient, issuer: LittleIssuer, what: str) -> None:
    token = bad_tokens(issuer)[what]
    problem_of(await ask(client, token), 401, "no-token")
    client.cookies.set(COOKIE, token)
    problem_of(await client.get("/jobs"), 401, "no-token")


async def test_a_little_difference_of_clocks_is_forgiven(client: httpx.AsyncClient, issuer: LittleIssuer) -> None:
    now = int(time.time())
    assert (await ask(client, issuer.token(exp=now - 10, nbf=now + 10))).status_code == 200


async def test_keys_that_the_issuer_changes_are_fetched_anew(
    client: httpx.AsyncClient, issuer: LittleIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await ask(client, issuer.token())).status_code == 200
    issuer.add_rsa("second")
    problem_of(await ask(client, issuer.token("second")), 401, "no-token")  # they were fetched just now
    monkeypatch.setattr(issuers, "PAUSE_S", 0.0)
    assert (await ask(client, issuer.token("second"))).status_code == 200
    assert issuer.fetched == 2
    old = issuer.token()
    del issuer.keys["first"]
    assert (await ask(client, old)).status_code == 200
    monkeypatch.setattr(issuers, "KEEP_S", 0.0)
    problem_of(await ask(client, old), 401, "no-token")


async def test_a_flood_of_unknown_keys_fetches_them_once(client: httpx.AsyncClient, issuer: LittleIssuer) -> None:
    issuer.add_rsa("hidden")
    floods = [jwt.encode({"iss": issuer.url}, issuer.keys["hidden"], "RS256", {"kid": f"k{one}"}) for one in range(200)]
    answers = await asyncio.gather(*(ask(client, token) for token in floods))
    assert {answer.status_code for answer in answers} == {401}
    assert issuer.fetched == 1


async def test_while_the_issuer_is_away(
    client: httpx.AsyncClient, issuer: LittleIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer.stop()
    away = await ask(client, issuer.token())
    assert issuer.url in problem_of(away, 503, "issuer-unavailable")["detail"]
    assert away.headers["retry-after"]
    assert (await client.get("/healthz")).status_code == 200
    monkeypatch.setattr(issuers, "PAUSE_S", 0.0)
    issuer.start()
    assert (await ask(client, issuer.token())).status_code == 200
    issuer.stop()
    assert (await ask(client, issuer.token())).status_code == 200, "keys that are known go on to serve"


@pytest.mark.parametrize("byte_s", [0.02, 5])
async def test_an_issuer_that_takes_too_long_is_away(
    client: httpx.AsyncClient, issuer: LittleIssuer, monkeypatch: pytest.MonkeyPatch, byte_s: float
) -> None:
    """Whether it says nothing, or a little all the time."""
    monkeypatch.setattr(issuers, "FETCH_TIMEOUT_S", 0.2)
    issuer.byte_s = byte_s
    problem_of(await ask(client, issuer.token()), 503, "issuer-unavailable")


async def test_a_document_of_another_issuer_is_not_believed(client: httpx.AsyncClient, issuer: LittleIssuer) -> None:
    issuer.says = "https://another.example"
    problem_of(await ask(client, issuer.token()), 503, "issuer-unavailable")


async def test_a_key_that_is_not_for_signing_signs_nothing(client: httpx.AsyncClient, issuer: LittleIssuer) -> None:
    issuer.use = "enc"
    problem_of(await ask(client, issuer.token()), 401, "no-token")


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_a_key_that_can_be_guessed_signs_nothing(client: httpx.AsyncClient, issuer: LittleIssuer) -> None:
    issuer.add_rsa("short", 1024)
    problem_of(await ask(client, issuer.token("short")), 401, "no-token")


async def test_keys_that_come_by_http_are_not_those_of_an_https_issuer(
    issuer: LittleIssuer, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = tmp_path / "certificate.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with LittleIssuer(tls_of_loopback(certificate)) as safe:
        chosen = settings.model_copy(update={"oidc_issuer": safe.url})
        assert (await issuers.Issuer(chosen).access_token(safe.token())).name == "ana"
        issuer.keys, safe.keys_at = safe.keys, f"{issuer.url}/keys"
        with pytest.raises(IssuerUnavailable):
            await issuers.Issuer(chosen).access_token(safe.token())
    assert issuer.fetched == 0


async def test_a_browser_signs_in_with_an_access_token(client: httpx.AsyncClient, issuer: LittleIssuer) -> None:
    answer = await client.post("/login", data={"token": issuer.token()})
    assert answer.status_code == 303
    kept = int(answer.headers["set-cookie"].partition("Max-Age=")[2].partition(";")[0])
    assert 290 <= kept - KEPT_LONGER_S <= 300
    assert (await client.get("/jobs")).status_code == 200
    problem_of(await client.post("/login", data={"token": issuer.token(left_out="aud")}), 401, "no-token")
    problem_of(await client.post("/login", data={"token": issuer.token(more="x" * 4000)}), 403, "not-allowed")


@pytest.mark.parametrize(
    "given",
    [
        {"oidc_issuer": "https://issuer.example"},
        {"oidc_audience": "a"},
        {"oidc_issuer": "http://issuer.example", "oidc_audience": "a"},
        {"oidc_issuer": "ftp://127.0.0.1", "oidc_audience": "a"},
    ],
)
def test_settings_that_would_trust_anybody_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="OIDC_ISSUER"):
        Settings(**given)  # type: ignore[arg-type]
