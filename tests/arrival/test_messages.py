"""What messages say: every body that S3, SNS and ORCA send, and any other text."""

from __future__ import annotations

import json
from contextlib import suppress
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.arrival.messages import BadMessage, manifests_in
from app.inventory.locations import parse_location
from tests.arrival.bodies import TEST_EVENT, event, from_event_bridge, from_orca, from_sns

KEY = "reports/orca-archive/daily/2024-05-07T01-00Z/manifest.json"
URL = f"s3://inventory/{KEY}"


def test_an_event_names_its_manifest() -> None:
    assert manifests_in(event("inventory", KEY)) == (URL,)


def test_a_checksum_stands_for_its_manifest() -> None:
    assert manifests_in(event("inventory", KEY.replace(".json", ".checksum"))) == (URL,)


def test_an_event_may_name_several_and_each_counts_once() -> None:
    keys = [KEY.replace("07T", f"{number:02}T") for number in (7, 8, 9)]
    checksum = keys[1].replace(".json", ".checksum")
    assert manifests_in(event("inventory", keys[0], keys[1], checksum, keys[2])) == tuple(
        f"s3://inventory/{key}" for key in keys
    )


def test_other_objects_are_nothing_to_us() -> None:
    assert (
        manifests_in(event("inventory", "reports/data/1.csv.gz", "a/hive/dt=2024/symlink.txt", "a/xmanifest.json"))
        == ()
    )


def test_a_manifest_that_was_removed_is_not_taken_in() -> None:
    assert manifests_in(event("inventory", KEY, name="ObjectRemoved:Delete")) == ()
    assert manifests_in(event("inventory", KEY, name="s3:ObjectCreated:Copy")) == (URL,)


def test_the_test_event_is_ignored() -> None:
    assert manifests_in(TEST_EVENT) == ()
    assert manifests_in(from_sns(TEST_EVENT)) == ()


def test_sns_wraps_the_same() -> None:
    assert manifests_in(from_sns(event("inventory", KEY))) == (URL,)


def test_event_bridge_names_a_manifest_by_its_key_as_it_is() -> None:
    strange = "reports/a b+%20ü/"
    for name in ("manifest.json", "manifest.checksum"):
        body = from_event_bridge("inventory", strange + name)
        (url,) = manifests_in(body)
        assert parse_location(url).path == f"{strange}manifest.json"
        assert manifests_in(from_sns(body)) == (url,)
    assert manifests_in(from_event_bridge("inventory", "reports/data/1.csv.gz")) == ()
    assert manifests_in(from_event_bridge("inventory", KEY, kind="Object Deleted")) == ()


def test_orca_hands_on_what_s3_has_encoded() -> None:
    assert manifests_in(from_orca("inventory", KEY)) == (URL,)
    assert manifests_in(from_orca("inventory", "a+b%2Bc/manifest.json")) == ("s3://inventory/a b+c/manifest.json",)


@given(st.text(st.characters(codec="utf-8", min_codepoint=32, exclude_characters="/\x7f"), min_size=1))
def test_every_key_arrives_as_it_is(folder: str) -> None:
    key = f"x{folder}/manifest.json"
    (url,) = manifests_in(event("inventory", quote_plus(key, safe="/"), encode=False))
    assert parse_location(url).path == key


BAD = [
    ("", "not JSON"),
    ("manifest", "not JSON"),
    ("[]", "not a JSON object"),
    ("{}", "neither an event of S3"),
    ('{"Records": 1}', "In the message, Records"),
    ('{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": {"key": "a"}}}]}', r"Records\.0\.s3\.bucket"),
    (event("inventory", "%ff/manifest.json", encode=False), "not UTF-8"),
    (from_sns("hello"), "not JSON"),
    (json.dumps({"Type": "SubscriptionConfirmation", "Message": "You have chosen to subscribe"}), "Type"),
    (from_orca("inventory", "a/data/1.csv.gz"), r"which is no manifest\.json"),
    (json.dumps({"manifestKey": KEY}), "reportBucketName"),
    (json.dumps({"source": "aws.s3", "detail-type": "Object Created"}), "In the message, detail: "),
]


@pytest.mark.parametrize(("body", "why"), BAD)
def test_what_can_never_work_says_why(body: str, why: str) -> None:
    with pytest.raises(BadMessage, match=why):
        manifests_in(body)


NAMES = [
    "Records",
    "s3",
    "bucket",
    "name",
    "object",
    "key",
    "Type",
    "Message",
    "manifestKey",
    "eventName",
    "source",
    "detail",
]
SHAPES = st.recursive(
    st.none() | st.text() | st.integers(),
    lambda inner: st.dictionaries(st.sampled_from(NAMES), inner) | st.lists(inner),
)


@given(st.text() | SHAPES.map(json.dumps))
def test_no_text_does_anything_else(body: str) -> None:
    with suppress(BadMessage):
        manifests_in(body)
