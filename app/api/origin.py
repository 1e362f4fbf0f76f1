"""Whether a request comes from a page of this service's own, and not from another site in the same browser."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request

from app.errors import CrossSite

SENT_BY_A_PAGE_OF_OURS = "same-origin"


def check_origin(request: Request, *, proof: bool) -> None:
    """Refuse what another site's page sent; with `proof`, also what does not say where it comes from.

    Browsers say it by `Sec-Fetch-Site` over https and on loopback, elsewhere by `Origin`; a page cannot change either.
    Schemes are not compared, because a proxy may end TLS. Raises `CrossSite`.
    """
    fetch_site = request.headers.get("sec-fetch-site")
    if fetch_site is not None:
        allowed = fetch_site == SENT_BY_A_PAGE_OF_OURS
    else:
        origin = request.headers.get("origin")
        allowed = not proof if origin is None else urlsplit(origin).netloc == request.headers.get("host")
    if not allowed:
        raise CrossSite(
            "Only a page of this service may send that from a browser. "
            "Programs send a token instead: Authorization: Bearer <token>."
        )
