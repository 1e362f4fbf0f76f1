"""Reports as files to download."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from app.api.parameters import database_of, settings_of
from app.errors import TooManyExports
from app.reports.encodings import ExportFormat
from app.reports.exports import Export, open_export
from app.reports.pages import Report

CONTENT: dict[str, Any] = {
    "text/csv": {"schema": {"type": "string"}},
    "application/x-ndjson": {"schema": {"type": "string"}},
    "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}},
}
"""What a route that exports answers besides a page, for its OpenAPI entry."""


@dataclass(slots=True)
class Exports:
    """How many exports are open; each holds a connection to the database."""

    open: int = 0


class Download(StreamingResponse):
    """Streams an export, and ends it with the answer, also when the client went away halfway."""

    def __init__(self, export: Export, filename: str, exports: Exports) -> None:
        headers = {"Content-Disposition": f'attachment; filename="{filename}"', "Vary": "Accept-Encoding"}
        if export.gzip:
            headers["Content-Encoding"] = "gzip"
        super().__init__(export.data, headers=headers, media_type=export.encoder.media_type)
        self._export = export
        self._exports = exports

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._exports.open -= 1
            await self._export.data.aclose()


async def download(request: Request, report: Report, name: ExportFormat, *, spreadsheet: bool) -> Download:
    """Answer with the whole of a report as a file. Raises `NoSuchJob`, `ReportNotReady`, `TooManyExports`."""
    exports: Exports = request.app.state.exports
    most = settings_of(request).max_exports
    if exports.open >= most:
        raise TooManyExports(f"{most} reports are being exported, which is all there may be. Try again in a minute.")
    exports.open += 1
    try:
        export = await open_export(
            database_of(request), report, name, spreadsheet=spreadsheet, gzip=accepts_gzip(request.headers)
        )
    except BaseException:
        exports.open -= 1
        raise
    return Download(export, f"job-{report.job_id}-{report.kind.name}.{export.encoder.suffix}", exports)


def accepts_gzip(headers: Headers) -> bool:
    """Tell whether a client asks for gzip: it names it, and not with the weight 0."""
    for choice in ",".join(headers.getlist("accept-encoding")).split(","):
        coding, _, weight = choice.partition(";")
        if coding.strip().lower() == "gzip":
            return weight.replace(" ", "").lower() not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
