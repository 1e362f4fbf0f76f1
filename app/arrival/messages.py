"""What a message on the queue says: which manifests have been written.

Understood are S3's event notifications
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html), its events of EventBridge
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html), either inside a notification of SNS, and the
bodies with which ORCA's own queue names a manifest.
"""

from __future__ import annotations

from typing import ClassVar, Literal, TypeVar
from urllib.parse import unquote_plus

import orjson
from pydantic import BaseModel, ValidationError

from app.arrival.destination import CHECKSUM, MANIFEST, s3_url
from app.errors import ReconcileError


class BadMessage(ReconcileError):
    """A message that says nothing we understand, however often it is read."""

    name: ClassVar[str] = "invalid-message"
    title: ClassVar[str] = "The message is not valid"


class _Bucket(BaseModel):
    name: str


class _Object(BaseModel):
    key: str


class _Entity(BaseModel):
    bucket: _Bucket
    object: _Object


class _Record(BaseModel):
    eventName: str  # noqa: N815  (the field's own name, as all of these)
    s3: _Entity


class _S3Event(BaseModel):
    Records: tuple[_Record, ...]


class _FromEventBridge(BaseModel):
    detail: _Entity


class _FromSns(BaseModel):
    Type: Literal["Notification"]
    Message: str


class _FromOrca(BaseModel):
    reportBucketName: str  # noqa: N815
    manifestKey: str  # noqa: N815


def manifests_in(body: str) -> tuple[str, ...]:
    """Give the URLs of the manifests that a message's body names, each once; none where it is about other objects.

    S3 announces a report best by its checksum, which it writes last: that stands for the manifest beside it.
    Raises `BadMessage`.
    """
    parsed = _json(body)
    if "Type" in parsed and "Message" in parsed:
        parsed = _json(_read(_FromSns, parsed).Message)
    if parsed.get("Event") == "s3:TestEvent":  # S3 sends one when notifications are set up
        return ()
    if "Records" in parsed:
        records = _read(_S3Event, parsed).Records
        written = [each.s3 for each in records if _tells_of_writing(each)]
        named = [_manifest(each.bucket.name, _decoded(each.object.key)) for each in written]
        return tuple(dict.fromkeys(url for url in named if url is not None))
    if parsed.get("source") == "aws.s3":
        if parsed.get("detail-type") != "Object Created":
            return ()
        created = _read(_FromEventBridge, parsed).detail
        url = _manifest(created.bucket.name, created.object.key)
        return () if url is None else (url,)
    if "manifestKey" in parsed:
        orca = _read(_FromOrca, parsed)
        url = _manifest(orca.reportBucketName, _decoded(orca.manifestKey))
        if url is None:
            raise BadMessage(f"manifestKey is {orca.manifestKey}, which is no {MANIFEST}.")
        return (url,)
    raise BadMessage("The message is neither an event of S3, directly, from SNS or EventBridge, nor a body of ORCA's.")


def _json(text: str) -> dict[str, object]:
    try:
        parsed = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadMessage(f"The message is not JSON ({error}).") from error
    if not isinstance(parsed, dict):
        raise BadMessage("The message is not a JSON object.")
    return parsed


Shape = TypeVar("Shape", bound=BaseModel)


def _read(shape: type[Shape], parsed: dict[str, object]) -> Shape:
    try:
        return shape.model_validate(parsed)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadMessage(f"In the message, {where}: {first['msg']}.") from error


def _tells_of_writing(record: _Record) -> bool:
    """Tell whether an object was written; others speak the same language with `s3:` before the event's name."""
    return record.eventName.removeprefix("s3:").startswith("ObjectCreated:")


def _decoded(key: str) -> str:
    """Decode a key as S3's notifications write it, URL-encoded with `+` for a space; EventBridge has it as it is.

    ORCA hands keys on as S3 has written them (`post_to_queue_and_trigger_step_function`).
    """
    try:
        return unquote_plus(key, errors="strict")
    except UnicodeDecodeError as error:
        raise BadMessage(f"The key {key} is not UTF-8 once it is decoded.") from error


def _manifest(bucket: str, key: str) -> str | None:
    """Give the URL of the manifest that an object is or stands for."""
    folder, slash, name = key.rpartition("/")
    return s3_url(bucket, f"{folder}{slash}{MANIFEST}") if name in {MANIFEST, CHECKSUM} else None
