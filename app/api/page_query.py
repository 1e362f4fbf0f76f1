"""What may be asked of a page of findings, read with one model.

FastAPI reads parameters one by one, and takes longer over these than PostgreSQL over the page.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Literal, Self

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ConfigDict, Field, ValidationError

from app.api.parameters import JobIdNumber, LimitNumber, TextFilter
from app.api.shape import Shape
from app.reports.findings import MISMATCHES, ORPHANS, PHANTOMS, BadFilter, Filters, Kind, discrepancy_types

FindingsFormat = Literal["json", "csv", "ndjson", "parquet", "s3batch"]


class OrphansQuery(Shape):
    """What a reader may ask of orphans."""

    model_config = ConfigDict(extra="ignore")
    kind: ClassVar[Kind] = ORPHANS

    id: JobIdNumber = Field(description="the job's id", examples=[42])
    key_prefix: TextFilter | None = Field(default=None, description="only keys that begin so, letter for letter")
    pending: bool | None = Field(
        default=None, description="only findings that may have been in flight (true), or only the others (false)"
    )
    format: FindingsFormat = Field(
        default="json",
        description="`json`: a page. `csv`, `ndjson`, `parquet`: all that the filters let through, as a file, whatever "
        "limit and cursor say. `s3batch`: their keys as a manifest for S3 Batch Operations, those of pending findings "
        "too unless `pending=false`",
    )
    spreadsheet: bool = Field(
        default=False, description="with `format=csv`: no value is a formula when it is opened in a spreadsheet"
    )
    limit: LimitNumber = 100
    cursor: str | None = Field(
        default=None, description="`nextCursor` of the page before, as it is; none: the first page"
    )

    @classmethod
    def of(cls, request: Request) -> Self:
        """Read the parameters of a request. Raises `RequestValidationError`, `NoSuchJob`, `BadFilter`."""
        given = request.query_params
        others = (MISMATCHES.filters - cls.kind.filters).intersection(given)
        if others:
            # Ignoring a filter that only other findings have would give more than was asked for.
            raise BadFilter(
                f"{cls.kind.name.capitalize()} cannot be filtered by {' and '.join(sorted(others))}, "
                f"only by {', '.join(sorted(cls.kind.filters))}."
            )
        try:
            return cls.model_validate({**given, **request.path_params})
        except ValidationError as error:
            raise RequestValidationError(
                [
                    {**one, "loc": ("path" if one["loc"] == ("id",) else "query", *one["loc"])}
                    for one in error.errors(include_url=False)
                ]
            ) from None

    def filters(self) -> Filters:
        """Give what narrows the report. Raises `BadFilter`."""
        return Filters(key_prefix=self.key_prefix, pending=self.pending)

    def check_format(self) -> None:
        """See that the format is one for these findings. Raises `BadFilter`."""
        if self.format == "s3batch" and self.kind is PHANTOMS:
            raise BadFilter("Phantoms are not in S3, so that S3 Batch Operations can do nothing with them.")
        if self.spreadsheet and self.format != "csv":
            raise BadFilter("spreadsheet is for format=csv only.")

    @classmethod
    def described(cls) -> dict[str, Any]:
        """Describe the parameters for the route's OpenAPI entry, as its `openapi_extra`."""
        parameters = [
            {
                "name": name,
                "in": "path" if name == "id" else "query",
                "required": name == "id",
                "description": schema.pop("description"),
                "schema": schema,
            }
            for name, schema in cls.model_json_schema()["properties"].items()
        ]
        return {"parameters": parameters}


class PhantomsQuery(OrphansQuery):
    """What a reader may ask of phantoms."""

    kind: ClassVar[Kind] = PHANTOMS

    collection_id: TextFilter | None = Field(default=None, description="only this collection")
    granule_id: TextFilter | None = Field(default=None, description="only this granule")

    def filters(self) -> Filters:
        """Give what narrows the report. Raises `BadFilter`."""
        return Filters(
            collection_id=self.collection_id,
            granule_id=self.granule_id,
            key_prefix=self.key_prefix,
            pending=self.pending,
        )


class MismatchesQuery(PhantomsQuery):
    """What a reader may ask of mismatches."""

    kind: ClassVar[Kind] = MISMATCHES

    discrepancy_type: TextFilter | None = Field(
        default=None,
        description="only mismatches in this field (etag, size_in_bytes or storage_class), or in just those of a list",
        examples=["etag"],
    )

    def filters(self) -> Filters:
        """Give what narrows the report. Raises `BadFilter`."""
        wanted = self.discrepancy_type
        return replace(super().filters(), discrepancy_types=None if wanted is None else discrepancy_types(wanted))
