"""What all bodies of requests and answers have in common."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Int8 = Annotated[int, Field(json_schema_extra={"format": "int64"})]
Milliseconds = Annotated[
    int,
    Field(json_schema_extra={"format": "int64"}, description="milliseconds since the epoch", examples=[1717200000000]),
]
Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]
"""Text that PostgreSQL can take: it has no NUL."""


class Shape(BaseModel):
    """A JSON object: its keys are in camelCase, and all of them are always there."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, serialize_by_alias=True, frozen=True
    )


def milliseconds(time: datetime) -> int:
    """Give the whole milliseconds since the epoch, as ORCA's API does."""
    return (time - EPOCH) // timedelta(milliseconds=1)
