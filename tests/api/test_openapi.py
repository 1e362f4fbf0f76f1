"""The contract: the document in the repository is the one that the code generates, and it is whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.main import openapi_document

DOCUMENT = openapi_document()
OPERATIONS = [
    (method, path, operation) for path, methods in DOCUMENT["paths"].items() for method, operation in methods.items()
]
each_operation = pytest.mark.parametrize(
    ("method", "path", "operation"), OPERATIONS, ids=[f"{method} {path}" for method, path, _ in OPERATIONS]
)


def test_the_document_is_the_one_in_the_repository() -> None:
    written = Path(__file__).parents[2] / "openapi.json"
    assert json.loads(written.read_text(encoding="utf-8")) == DOCUMENT, "run: make openapi"


def test_it_is_the_same_every_time() -> None:
    assert json.dumps(openapi_document()) == json.dumps(DOCUMENT)


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(names) == len(set(names))


NOT_JSON = {"/jobs/{id}/events": "text/event-stream", "/metrics": "text/plain"}


@each_operation
def test_each_operation_is_documented(method: str, path: str, operation: dict[str, Any]) -> None:
    assert operation["tags"]
    assert operation["description"]
    for parameter in operation.get("parameters", []):
        assert parameter["description"], (path, parameter["name"])
    for status, answer in operation["responses"].items():
        if int(status) >= 400 and ("/orca/" not in path or status in {"401", "403"}):
            assert list(answer["content"]) == ["application/problem+json"]
            assert answer["content"]["application/problem+json"]["examples"]
        elif status != "204":
            kind = NOT_JSON.get(path, "application/json")
            assert kind in answer["content"], (method, path)
            assert kind in NOT_JSON.values() or answer["content"][kind]["schema"], (method, path)


def test_every_reference_leads_somewhere() -> None:
    def references(node: object) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [found for value in node.values() for found in references(value)]
        return [found for value in node for found in references(value)] if isinstance(node, list) else []

    known = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    assert set(references(DOCUMENT)) <= known
