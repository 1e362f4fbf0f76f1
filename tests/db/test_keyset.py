"""Cursors: ours come back as they went out, everything else is refused."""

from __future__ import annotations

from base64 import urlsafe_b64encode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.db.keyset import LONGEST_CURSOR, Key, Listing
from app.errors import BadCursor

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
LISTING = Listing("phantoms", (1, None, "a"), (str, str, str))
JOBS = Listing("jobs", (None, None), (int, int))


@given(st.tuples(TEXTS, TEXTS, TEXTS))
def test_a_cursor_gives_its_key_back(key: Key) -> None:
    cursor = LISTING.cursor(key)
    assert LISTING.after(cursor) == key
    assert cursor.replace("-", "").replace("_", "").isalnum()


@given(st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(1, 2**63 - 1)))
def test_so_does_one_of_numbers(key: Key) -> None:
    assert JOBS.after(JOBS.cursor(key)) == key


@pytest.mark.parametrize(
    "other",
    [
        Listing("orphans", (1, None, "a"), (str, str, str)),
        Listing("phantoms", (2, None, "a"), (str, str, str)),
        Listing("phantoms", (1, "", "a"), (str, str, str)),
        Listing("phantoms", (1, "a", None), (str, str, str)),
        Listing("phantoms", (1, None, True), (str, str, str)),
    ],
)
def test_a_cursor_of_another_listing_is_refused(other: Listing) -> None:
    with pytest.raises(BadCursor, match=f"not given out for these {other.name}"):
        other.after(LISTING.cursor(("a", "b", "c")))


@given(st.data())
def test_a_cursor_with_any_letter_changed_is_refused(data: st.DataObject) -> None:
    cursor = LISTING.cursor(("MOD09GQ___006", "granule", "a/key"))
    place = data.draw(st.integers(0, len(cursor) - 1))
    letter = data.draw(st.sampled_from("abcXYZ019-_=+/ \0é").filter(lambda letter: letter != cursor[place]))
    with pytest.raises(BadCursor):
        LISTING.after(cursor[:place] + letter + cursor[place + 1 :])


@given(st.text(max_size=100) | st.binary(max_size=60).map(lambda raw: urlsafe_b64encode(raw).decode()))
def test_nothing_else_is_a_cursor(junk: str) -> None:
    with pytest.raises(BadCursor):
        LISTING.after(junk)


@pytest.mark.parametrize("cut", [1, 2, 3, 5, -1, -2, -3])
def test_a_cut_cursor_is_refused(cut: int) -> None:
    with pytest.raises(BadCursor):
        LISTING.after(LISTING.cursor(("a", "b", "c"))[:cut])


def test_a_long_one_is_refused() -> None:
    with pytest.raises(BadCursor):
        LISTING.after("a" * (LONGEST_CURSOR + 1))


@pytest.mark.parametrize(
    ("listing", "key"),
    [
        (LISTING, ["a", "b"]),
        (LISTING, ["a", "b", "c", "d"]),
        (LISTING, ["a", "b", 1]),
        (LISTING, ["a", "b", "\0"]),
        (LISTING, ["a", "b", None]),
        (LISTING, {"a": 1}),
        (LISTING, "abc"),
        (LISTING, 7),
        (JOBS, [1, 2**63]),
        (JOBS, [1, True]),
        (JOBS, [1, 1.5]),
    ],
)
def test_one_that_somebody_made_up_with_the_right_digest_is_refused_as_well(listing: Listing, key: object) -> None:
    payload = orjson.dumps(key)
    forged = urlsafe_b64encode(listing._digest(payload) + payload).rstrip(b"=").decode()
    with pytest.raises(BadCursor):
        listing.after(forged)
