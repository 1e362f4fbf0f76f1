from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
import pytest_asyncio

from app.arrival import queue as queue_module
from app.settings import Settings
from tests.arrival.inventories import Bucket
from tests.arrival.sqs import Sqs
from tests.arrival.sqs import running as sqs_running
from tests.support.seaweed import Seaweed
from tests.support.unruly import Unruly, unruly


@pytest.fixture(scope="session")
def sqs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sqs]:
    """Give a real SQS endpoint, this worker's own."""
    with sqs_running(tmp_path_factory.mktemp("moto") / "log") as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def store(seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Unruly]:
    """Let the service speak to S3 through a proxy that misbehaves when told to."""
    async with unruly(seaweed.endpoint) as proxy:
        for name, value in {**seaweed.environment, "AWS_ENDPOINT_URL": proxy.endpoint}.items():
            monkeypatch.setenv(name, value)
        yield proxy


@pytest.fixture
def bucket(seaweed: Seaweed, store: Unruly) -> Bucket:
    """Give an empty bucket of the test's own, which the service may read."""
    assert store.endpoint
    name = f"inventory-{uuid4().hex}"
    return Bucket(name, seaweed.bucket(name))


@pytest.fixture
def s3_settings(settings: Settings, bucket: Bucket) -> Settings:
    """Give settings that allow the bucket."""
    return settings.model_copy(update={"manifest_prefixes": (f"s3://{bucket.name}/",)})


@pytest.fixture
def aws(sqs: Sqs, monkeypatch: pytest.MonkeyPatch) -> Sqs:
    """Let the service speak to the SQS endpoint, and poll it for a short time only."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", sqs.endpoint)
    monkeypatch.setattr(queue_module, "POLL_S", 1)
    return sqs
