"""The yardstick for a page: a FastAPI route that does nothing but answer the same bytes."""

from __future__ import annotations

import os
from pathlib import Path

from fastapi import FastAPI, Response

BODY = Path(os.environ["BENCH_BODY"]).read_bytes()

app = FastAPI()


@app.get("/page")
async def page() -> Response:
    return Response(BODY, media_type="application/json")
