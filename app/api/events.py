"""A job's events as they happen, as Server-Sent Events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.api.documented import problems
from app.api.job_shapes import JobAnswer
from app.api.parameters import JobId, database_of
from app.errors import NoSuchJob, TooManyStreams
from app.jobs.feed import Feed
from app.jobs.store import get_job

router = APIRouter(prefix="/jobs", tags=["jobs"])

MOST_STREAMS = 200
RECONNECT_MS = 2000


class Streams:
    """The event streams that are open: bounded, and fed by one `Feed`."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.open = 0


async def there(request: Request, job_id: JobId) -> AsyncIterator[int]:
    """See that there is such a job, and room for a listener, which is taken until the stream has ended."""
    streams: Streams = request.app.state.streams
    if streams.open >= MOST_STREAMS:
        raise TooManyStreams(
            f"{MOST_STREAMS} event streams are open, which is all there may be: poll GET /jobs/{job_id}."
        )
    streams.open += 1
    try:
        async with database_of(request).reading() as connection:
            await get_job(connection, job_id)
        yield job_id
    finally:
        streams.open -= 1


@router.get("/{id}/events", response_class=EventSourceResponse, responses=problems(NoSuchJob, TooManyStreams))
async def job_events(
    request: Request,
    job_id: Annotated[int, Depends(there)],
    last_event_id: Annotated[str | None, Header(description="the last event that was seen", max_length=500)] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Follow a job: `status` when it changes, `progress` as work goes on, each with the whole job, until it ends."""
    streams: Streams = request.app.state.streams
    with suppress(NoSuchJob):  # deleted while somebody listened: the stream ends
        async for kind, event_id, job in streams.feed.changes(job_id, last_event_id):
            yield ServerSentEvent(
                event=kind,
                id=event_id,
                retry=RECONNECT_MS,
                raw_data=JobAnswer.of(job).model_dump_json(by_alias=True),
            )
