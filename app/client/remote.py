"""The service elsewhere, asked over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
import stamina
from httpx_sse import SSEError, aconnect_sse

from app.api.job_shapes import JobAnswer, JobsAnswer, SubmitRequest
from app.client.service import PAGE, Compare, has_ended
from app.errors import Misconfigured, NoToken, ReconcileError
from app.jobs.model import JobStatus

TOKEN = "RECONCILE_TOKEN"  # noqa: S105  (the name of a variable)
PATIENCE_S = 60
LOOK_AGAIN_S = 2


class ServiceUnreachable(ReconcileError):
    """Nobody answers at the URL, or the answer broke off."""

    name = "service-unreachable"
    title = "The service does not answer"


class ServiceRefused(ReconcileError):
    """The service answered that it will not, and why."""

    name = "service-refused"
    title = "The service refused"


@dataclass(frozen=True, slots=True)
class RemoteService:
    """Asks over HTTP; open it with `async with RemoteService.at(url, token) as service`."""

    client: httpx.AsyncClient

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str, token: str | None) -> AsyncIterator[RemoteService]:
        """Connect to the service at `url` as often as there is need. Raises `Misconfigured`, `ServiceUnreachable`."""
        token = token and token.strip()  # of the line of a file that it came from
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            client = httpx.AsyncClient(base_url=url, headers=headers, timeout=PATIENCE_S)
            if client.base_url.scheme not in {"http", "https"} or not client.base_url.host:
                raise Misconfigured(
                    f"{url} is not the address of a service: it looks like https://reconcile.example.org."
                )
        except (httpx.InvalidURL, UnicodeEncodeError) as error:
            raise Misconfigured(f"The service's address or {TOKEN} cannot be sent: {error}.") from error
        async with client:
            try:
                yield cls(client)
            except httpx.LocalProtocolError as error:  # whose text has the token in it
                raise Misconfigured(f"{TOKEN} cannot be sent: it has a line break or another sign in it.") from error
            except httpx.RequestError as error:
                raise _unreachable(client, error) from error

    async def submit(self, asked: SubmitRequest) -> JobAnswer:
        """Submit a manifest."""
        answer = await self.client.post("/jobs", json=asked.model_dump(by_alias=True))
        return JobAnswer.model_validate_json(await _body(answer))

    async def follow(self, job_id: int) -> AsyncGenerator[JobAnswer, None]:
        """Follow the job's events, over again where the connection is lost or there are too many listeners."""
        try:
            job = await self._job(job_id)
        except ServiceRefused as error:
            raise ServiceRefused(
                f"Job {job_id} is queued, but following it, which needs the scope read, was refused: {error}"
            ) from error
        yield job
        while not has_ended(job):
            with suppress(httpx.TransportError, SSEError):
                async with aconnect_sse(self.client, "GET", f"/jobs/{job_id}/events") as source:
                    async for event in source.aiter_sse():
                        job = JobAnswer.model_validate_json(event.data)
                        yield job
            if not has_ended(job):
                await asyncio.sleep(LOOK_AGAIN_S)
                job = await self._job(job_id)
                yield job

    @stamina.retry(on=httpx.TransportError, attempts=5, timeout=PATIENCE_S, wait_initial=1.0)
    async def _job(self, job_id: int) -> JobAnswer:
        return JobAnswer.model_validate_json(await _body(await self.client.get(f"/jobs/{job_id}")))

    async def jobs(self, *, status: JobStatus | None, archive_location: str | None, limit: int) -> list[JobAnswer]:
        """List the newest jobs."""
        asked = _given(status=status, orcaArchiveLocation=archive_location, limit=limit)
        answer = await self.client.get("/jobs", params=asked)
        return JobsAnswer.model_validate_json(await _body(answer)).jobs

    async def findings(self, job_id: int, kind: str) -> AsyncGenerator[bytes, None]:
        """Give a whole report as it arrives."""
        async with self.client.stream("GET", f"/reports/{job_id}/{kind}", params={"format": "ndjson"}) as answer:
            if not answer.is_success:
                await _body(answer)
            rest = b""
            async for data in answer.aiter_bytes():
                lines, newline, rest = (rest + data).rpartition(b"\n")
                yield lines + newline

    async def changes(self, asked: Compare, cursor: str | None) -> dict[str, Any]:
        """Compare two jobs."""
        page = _given(kind=asked.kind, change=asked.change, minJobs=asked.min_jobs, limit=PAGE, cursor=cursor)
        answer = await self.client.get(
            f"/reports/{asked.job_id}/changes", params=_given(against=asked.against) | (page if asked.kind else {})
        )
        changes: dict[str, Any] = orjson.loads(await _body(answer))
        return changes


def _given(**values: str | int | None) -> dict[str, str | int]:
    return {name: value for name, value in values.items() if value is not None}


async def _body(answer: httpx.Response) -> bytes:
    """Give what the service answered. Raises `NoToken` and `ServiceRefused`, in the service's own words."""
    body = await answer.aread()
    if answer.is_success and answer.headers.get("content-type", "").startswith("application/json"):
        return body
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        sent = "authorization" in answer.request.headers
        raise NoToken(
            f"The service does not know the token in {TOKEN}."
            if sent
            else f"The service asks for a token: set {TOKEN} to one that it knows."
        )
    try:
        problem = orjson.loads(body)
        raise ServiceRefused(f"{problem['detail']} ({answer.status_code}, request {problem['requestId']})")
    except (ValueError, TypeError, KeyError):
        raise ServiceRefused(
            f"{answer.request.url.copy_with(query=None)} answered {answer.status_code}, and not as this service does: "
            "is that its address?"
        ) from None


def _unreachable(client: httpx.AsyncClient, error: httpx.RequestError) -> ServiceUnreachable:
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return ServiceUnreachable(f"Nobody answers at {client.base_url}: is the service running there?")
    return ServiceUnreachable(
        f"The answer of {client.base_url} broke off or did not come ({type(error).__name__}): "
        "what was printed until now is not the whole."
    )
