from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
import structlog
from fastapi import FastAPI
from structlog.typing import EventDict

from app.api.events import Streams
from app.db.engine import Database
from app.db.reader import Reader
from app.jobs.feed import Feed
from app.main import create_app
from app.settings import Settings


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[EventDict]]:
    """Collect what is logged, in place of printing it."""
    with structlog.testing.capture_logs() as logged:
        yield logged


@pytest_asyncio.fixture(loop_scope="session")
async def app(database: Database, settings: Settings) -> AsyncIterator[FastAPI]:
    """Give the application without a runner, so that a job stays as its request left it."""
    app = create_app(settings)
    async with Reader.at(database.url) as reader, Reader.at(database.url, "force_custom_plan") as filtering_reader:
        app.state.database = database
        app.state.reader = reader
        app.state.filtering_reader = filtering_reader
        app.state.streams = Streams(Feed(database))
        yield app


@pytest_asyncio.fixture(loop_scope="session")
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


@pytest.fixture
def manifest(settings: Settings) -> Path:
    """Give a manifest of no data files, where it may be read."""
    path = settings.data_dir / "inventory" / "manifest.json"
    path.parent.mkdir(parents=True)
    path.write_text("""{
        "sourceBucket": "orca-archive", "destinationBucket": "arn:aws:s3:::reports", "version": "2016-11-30",
        "creationTimestamp": "1717200000000", "fileFormat": "CSV", "fileSchema": "Bucket, Key, Size, ETag", "files": []
    }""")
    return path
