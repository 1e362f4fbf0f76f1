"""Objects of S3, and of stores that speak its language, read through obstore.

Region, endpoint and credentials come from the usual `AWS_*` variables, or from the role of the container or instance,
and not from profiles and the files of those; with `AWS_SKIP_SIGNATURE=true` public buckets are read without any.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from app.errors import StorageUnavailable
from app.inventory.locations import Location

if TYPE_CHECKING:  # obstore has these in its stubs alone
    from obstore.store import ClientConfig, RetryConfig

# A request that fails on its way or with 5xx, and an answer that breaks off, are repeated by obstore for about 12 s in
# all: enough to wait for a store that restarts or throttles, and not long for one that is gone.
RETRY: RetryConfig = {
    "max_retries": 6,
    "backoff": {"init_backoff": timedelta(milliseconds=200), "max_backoff": timedelta(seconds=5), "base": 2},
    "retry_timeout": timedelta(seconds=60),
}
CONNECT_SECONDS = 5
REQUEST_SECONDS = 60  # for a request with its body, of which at most a few MiB are asked at a time

# Where there are no credentials, a role's are asked for at the machine's own http://169.254.169.254.
_ASKED_FOR_A_ROLE = re.compile(r"performing \w+ http://[^/]+/latest/(api/token|meta-data)")
_REFUSED = re.compile(r"status code: 40[13]\b")
_MISSED = re.compile(r"status code: 404\b")
_ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT")


class S3Source:
    """The objects of one bucket."""

    def __init__(self, bucket: str) -> None:
        client: ClientConfig = {
            "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
            "timeout": timedelta(seconds=REQUEST_SECONDS),
        }
        if any(os.environ.get(name, "").startswith("http://") for name in _ENDPOINTS):
            client["allow_http"] = True  # an operator who names such an endpoint wants it used
        with in_our_words(f"bucket {bucket}"):
            self._store = S3Store(bucket, client_options=client, retry_config=RETRY)

    async def size_of(self, location: Location) -> int | None:
        """Ask how many bytes an object has; `None` when there is none. Raises `StorageUnavailable`."""
        try:
            with in_our_words(str(location)):
                return (await obstore.head_async(self._store, location.path))["size"]
        except FileNotFoundError:
            return None

    async def read(self, location: Location, start: int, end: int) -> bytes:
        """Read from byte `start` to before byte `end`.

        Raises `FileNotFoundError` when the object is gone, `StorageUnavailable` when the store does not give it.
        """
        with in_our_words(str(location)):
            answer = await obstore.get_async(self._store, location.path, options={"range": (start, end)})
            return bytes(await answer.bytes_async())


@contextmanager
def in_our_words(what: str) -> Iterator[None]:
    """Say what the store answered in a sentence, where obstore would fill a page. Raises `StorageUnavailable`.

    An object that is not there is obstore's `FileNotFoundError`, which goes on; a bucket is only missed by a list.
    """
    try:
        yield
    except BaseError as error:
        answer = str(error).partition("\n")[0].partition("<")[0].rstrip(" :.")  # and not the XML that came with it
        if _ASKED_FOR_A_ROLE.search(answer):
            answer = "no credentials found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role"
        elif isinstance(error, PermissionDeniedError | UnauthenticatedError) or _REFUSED.search(answer):
            raise StorageUnavailable(
                f"The store refused access to {what}: check the credentials, and what they may read."
            ) from error
        elif _MISSED.search(answer):
            answer = "there is no such bucket"
        raise StorageUnavailable(f"The store did not give {what}: {answer}.") from error
