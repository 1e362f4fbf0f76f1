"""Whom a command asks, and with what it ends."""

from __future__ import annotations

import os
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Annotated

import typer

from app.client.remote import TOKEN, RemoteService
from app.client.service import Service
from app.jobs.store import INT8_MAX
from app.settings import read_settings

FOUND = 1
"""The exit code that says that there are findings; 0 says that there are none, 2 that something went wrong."""

Url = Annotated[
    str | None,
    typer.Option(
        envvar="RECONCILE_URL", help=f"Ask the service there, with the token in {TOKEN}; else the database here."
    ),
]
JobNumber = Annotated[int, typer.Argument(min=1, max=INT8_MAX, help="The job's id.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, one object a line.")]


class Kind(StrEnum):
    """The three reports."""

    PHANTOMS = "phantoms"
    ORPHANS = "orphans"
    MISMATCHES = "mismatches"


def service_at(url: str | None) -> AbstractAsyncContextManager[Service]:
    """Open the service that a command asks."""
    if url is not None:
        return RemoteService.at(url, os.environ.get(TOKEN))
    from app.client.local import LocalService  # noqa: PLC0415  (whoever asks elsewhere need not wait for it)

    return LocalService.on(read_settings())
