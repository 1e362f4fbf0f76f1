from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import LocationForbidden, Misconfigured
from app.inventory.locations import Prefixes, parse_location, url_of


@pytest.mark.parametrize(
    ("url", "prefix"),
    [
        ("s3://reports/a/manifest.json", "s3://reports/"),
        ("s3://reports/a/manifest.json", "s3://reports"),
        ("s3://reports/a/manifest.json", "s3://reports/a/"),
        ("s3://reports/a/manifest.json", "s3://reports/a"),
        ("s3://reports/a%20b/manifest.json", "s3://reports/a b/"),
        ("s3://reports/a/manifest.json", "s3://reports/a/manifest.json"),
        ("file:///etc/hostname", "file:///"),
    ],
)
def test_what_lies_under_a_prefix_is_admitted(url: str, prefix: str) -> None:
    Prefixes([prefix]).require(parse_location(url))


@pytest.mark.parametrize(
    ("url", "prefix"),
    [
        ("s3://reports-of-others/a/manifest.json", "s3://reports"),
        ("s3://reports-of-others/a/manifest.json", "s3://reports/"),
        ("s3://reports/ab/manifest.json", "s3://reports/a"),
        ("s3://reports/A/manifest.json", "s3://reports/a/"),
        ("s3://reports/manifest.json", "s3://reports/manifest.jso"),
        ("s3://reports/a/manifest.json", "file:///"),
        ("file:///reports/a/manifest.json", "s3://reports/"),
        ("file:///usr-of-others/x", "file:///usr"),
        ("s3://reports/%2561/manifest.json", "s3://reports/a/"),
    ],
)
def test_what_lies_outside_is_not(url: str, prefix: str) -> None:
    with pytest.raises(LocationForbidden, match="outside the locations that this service may read"):
        Prefixes([prefix]).require(parse_location(url))


def test_without_prefixes_nothing_is_admitted() -> None:
    with pytest.raises(LocationForbidden):
        Prefixes([]).require(parse_location("s3://reports/a/manifest.json"))


@pytest.mark.parametrize(
    "url",
    [
        "s3://reports/a/../b/manifest.json",
        "s3://reports/a/%2e%2e/b/manifest.json",
        "s3://reports/a/%2E./b/manifest.json",
        "s3://reports/a/..%2fb/manifest.json",
        "s3://reports/./manifest.json",
        "s3://reports//manifest.json",
        "s3://reports/a//manifest.json",
        "s3://reports/a/manifest.json/",
        "s3://reports/a/manifest.json/..",
        "s3://reports/a%00/manifest.json",
        "s3://reports/a%ff/manifest.json",
        "s3://reports/",
        "s3://reports",
        "s3:///manifest.json",
        "file:///a/../manifest.json",
        "file://elsewhere/a/manifest.json",
        "file:///",
        "http://169.254.169.254/latest/meta-data/",
        "https://reports.s3.amazonaws.com/manifest.json",
        "/etc/passwd",
        "S3://reports/manifest.json",
        "",
    ],
)
def test_a_url_that_is_no_plain_one_is_refused(url: str) -> None:
    with pytest.raises(LocationForbidden, match="may not be read"):
        parse_location(url)


def test_a_link_is_what_it_points_to(tmp_path: Path) -> None:
    allowed, outside = tmp_path / "allowed", tmp_path / "outside"
    for folder in (allowed, outside):
        folder.mkdir()
        (folder / "manifest.json").touch()
    (allowed / "out").symlink_to(outside)
    (outside / "in").symlink_to(allowed)
    prefixes = Prefixes([f"file://{allowed}/"])
    with pytest.raises(LocationForbidden):
        prefixes.require(parse_location(f"file://{allowed}/out/manifest.json"))
    prefixes.require(parse_location(f"file://{outside}/in/manifest.json"))
    Prefixes([f"file://{outside}/in/"]).require(parse_location(f"file://{allowed}/manifest.json"))


@pytest.mark.parametrize("prefix", ["reports", "http://reports/", "s3://", "s3://reports/../", "file://elsewhere/"])
def test_a_prefix_that_is_none_is_a_mistake_of_the_operator(prefix: str) -> None:
    with pytest.raises(Misconfigured, match="The allowed prefix"):
        Prefixes([prefix])


@given(st.text())
def test_no_url_reaches_beyond_its_prefix(path: str) -> None:
    try:
        location = parse_location(f"s3://reports/allowed/{path}")
    except LocationForbidden:
        return
    assert Prefixes(["s3://reports/allowed/"]).admit(location)
    assert ".." not in location.path.split("/")


def test_a_path_goes_up_as_in_a_shell_and_its_links_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real" / "inside").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path / "real")
    assert url_of("../link/./manifest.json") == f"file://{tmp_path}/link/manifest.json"
    assert url_of("s3://inventory/../manifest.json") == "s3://inventory/../manifest.json"
