"""Whether a request comes from a page of this service's own, and not from another site in the same browser."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request

from app.errors import CrossSite
from app.settings import LOOPBACK

SENT_BY_A_PAGE_OF_OURS = "same-origin"


def check_origin(request: Request, *, proof: bool, here: bool = False) -> None:
    """Refuse what another site's page sent; with `proof`, also what does not say where it comes from.

    Browsers say it by `Sec-Fetch-Site` over https and on loopback, elsewhere by `Origin`; a page cannot change either.
    Schemes are not compared, because a proxy may end TLS. With `here`, the page has to be of this machine by its name:
    another site's name can be made to lead here, and its page is then of the origin that it asks. Raises `CrossSite`.
    """
    fetch_site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if fetch_site is not None:
        allowed = fetch_site == SENT_BY_A_PAGE_OF_OURS
    elif origin is None:
        allowed = not proof
    else:
        page = urlsplit(origin)
        allowed = page.netloc == request.headers.get("host") and (not here or page.hostname in LOOPBACK)
    if not allowed:
        raise CrossSite(
            "Only a page of this service may send that from a browser. "
            "Programs send a token instead: Authorization: Bearer <token>."
        )
