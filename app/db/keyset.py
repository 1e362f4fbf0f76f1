"""Paging by the last key seen: a page says where the next one starts, and costs the same wherever it is.

A cursor is the last row's key, and belongs to one listing: what is listed, of which job, narrowed by which filters.
It is no secret and grants nothing. It carries a digest of itself and its listing, so that one which was cut, changed
or given out for something else is told apart from one that is ours.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import blake2b
from itertools import zip_longest

import orjson

from app.errors import BadCursor

Key = tuple[str | int, ...]

LONGEST_CURSOR = 16_384
_CURSOR = re.compile(rf"[A-Za-z0-9_-]{{1,{LONGEST_CURSOR}}}")
_DIGEST_SIZE = 9
_INT8 = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Listing:
    """Something that is given out in pages.

    `name` says what is listed, `scope` what it is narrowed to (anything JSON can hold), `key` the types of the columns
    that order it, which have to be NOT NULL and unique together.
    """

    name: str
    scope: tuple[object, ...]
    key: tuple[type[str | int], ...]

    def cursor(self, last: Key) -> str:
        """Give the URL-safe cursor of the page that follows the row with the key `last`."""
        payload = orjson.dumps(last)
        return urlsafe_b64encode(self._digest(payload) + payload).rstrip(b"=").decode()

    def after(self, cursor: str) -> Key:
        """Give the key that the page of `cursor` follows. Raises `BadCursor` unless it is a cursor of this listing."""
        if not _CURSOR.fullmatch(cursor):
            raise self._bad()
        try:
            key = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))[_DIGEST_SIZE:])
        except ValueError:
            raise self._bad() from None
        # Whoever reads this code can make a digest, so what goes to the database is looked at first.
        if not isinstance(key, list) or not all(_is_sound(*pair) for pair in zip_longest(key, self.key)):
            raise self._bad()
        if self.cursor(tuple(key)) != cursor:
            raise self._bad()
        return tuple(key)

    def _digest(self, payload: bytes) -> bytes:
        return blake2b(orjson.dumps([self.name, self.scope]) + b"\n" + payload, digest_size=_DIGEST_SIZE).digest()

    def _bad(self) -> BadCursor:
        return BadCursor(
            f"That cursor was not given out for these {self.name} with these filters: "
            "start without a cursor, and take nextCursor from each page as it is."
        )


def _is_sound(value: object, kind: type[str | int] | None) -> bool:
    """Tell whether PostgreSQL can take a key's value: of its column's type, in range, without a NUL."""
    if type(value) is not kind:
        return False
    return "\0" not in value if isinstance(value, str) else value in _INT8
