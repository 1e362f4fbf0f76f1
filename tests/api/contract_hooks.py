"""What schemathesis is not to throw at the service, since it never comes to it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import schemathesis

LONGEST_QUERY = 60_000


@schemathesis.hook
def filter_query(_: schemathesis.HookContext, query: Any) -> bool:
    """Leave out URLs over 64 KiB: the HTTP server refuses them itself, before there is a request."""
    return len(urlencode(query or {}, doseq=True)) <= LONGEST_QUERY
