"""Where spans go: to the collector that the usual `OTEL_*` variables name, by the extra `otel`; else nowhere.

FastAPI makes the spans of requests, and `app.jobs` those of runs, through OpenTelemetry's API. As long as nobody has
given that API a provider, FastAPI makes none, and a run's are one constant that does nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from threading import Thread
from typing import TYPE_CHECKING

import structlog
from opentelemetry import trace

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
SPOKEN = "http/protobuf"
FLUSH_S = 3.0
"""How long the end of the process may wait for its last spans to be taken."""

log = structlog.get_logger()


@contextmanager
def exporting() -> Iterator[None]:
    """Send spans to the collector for the length of the block, the last ones at its end.

    Spans wait in a bounded queue, and a thread of its own sends them: a collector that is away loses spans, and holds
    nobody up.
    """
    provider = _provider() if _wanted() else None
    if provider is not None:
        trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        if provider is not None:
            # The SDK's own flush takes as long as the collector does.
            flush = Thread(target=provider.force_flush, daemon=True)
            flush.start()
            flush.join(FLUSH_S)


def _wanted() -> bool:
    return (
        any(os.environ.get(name) for name in ENDPOINTS)
        and os.environ.get("OTEL_TRACES_EXPORTER", "otlp") != "none"
        and os.environ.get("OTEL_SDK_DISABLED", "").lower() != "true"
        # Whoever started this process with OpenTelemetry's own launcher has set a provider already.
        and isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    )


def _provider() -> TracerProvider | None:
    """Make what keeps and sends spans; None, and a line in the log, where that cannot be."""
    protocol = next(filter(None, map(os.environ.get, PROTOCOLS)), SPOKEN)
    if protocol != SPOKEN:
        log.warning("no traces are sent", reason=f"This service speaks {SPOKEN} to collectors, not {protocol}.")
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  (an extra)
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415  (the same)
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  (the same)
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415  (the same)

        service = {"service.name": "orca-reconcile", "service.version": version("orca-reconcile")}
        resource = Resource.create(service).merge(OTELResourceDetector().detect())
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    except ImportError:
        log.warning("no traces are sent", reason="Traces need the extra orca-reconcile[otel]: install it.")
        return None
    except Exception as error:  # noqa: BLE001  (whatever is wrong with an OTEL_ variable, reports are worth more)
        log.warning("no traces are sent", reason=str(error))
        return None
    return provider
