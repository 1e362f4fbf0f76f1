"""The OpenAPI document, which is the contract: generated from the routes, and the same every time."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic.alias_generators import to_camel
from pydantic.json_schema import models_json_schema

from app.api.problems import Problem

TITLE = "orca-reconcile"
SUMMARY = "Which files of an archive are lost, unknown or not what the catalog says"
DESCRIPTION = """\
Compares S3 Inventory reports with an archive's catalog, and says exactly which files are

* **phantoms**: in the catalog, but not in S3,
* **orphans**: in S3, but not in the catalog,
* **mismatches**: in both, but with another ETag, size or storage class.

`POST /jobs` takes in an inventory, `GET /jobs/{id}` tells how far it is, `GET /reports/{id}` what was found.
Times are integer milliseconds since the epoch. Errors are problems (RFC 9457), and every answer has an `X-Request-ID`.
"""
TAGS = [
    {"name": "jobs", "description": "One inventory taken in and compared"},
    {"name": "reports", "description": "What a job's comparison found"},
    {"name": "orca", "description": "The same under the paths of ORCA's own API"},
    {"name": "operations", "description": "Whether the service is well"},
]


def operation_id(route: APIRoute) -> str:
    """Name an operation after its function."""
    return to_camel(route.name)


def install(app: FastAPI) -> None:
    """Have the application generate its document with the parts that FastAPI leaves out."""

    def generate() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                summary=app.summary,
                description=app.description,
                tags=app.openapi_tags,
                routes=app.routes,
            )
            _, definitions = models_json_schema(
                [(Problem, "serialization")], ref_template="#/components/schemas/{model}"
            )
            schemas = document["components"]["schemas"] | definitions["$defs"]
            document["components"]["schemas"] = dict(sorted(schemas.items()))
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = generate  # type: ignore[method-assign]  # FastAPI's documented way to extend the document
