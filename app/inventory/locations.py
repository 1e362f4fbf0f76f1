"""Where things may be read: the URLs of manifests and data files, and the prefixes that allow them.

All of this is decided on names, before anything is fetched; in a `file:///` URL links are replaced by what they
point to first.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from app.errors import LocationForbidden, Misconfigured

_URL = re.compile(r"(?P<scheme>s3|file)://(?P<bucket>[^/]*)(?P<path>/.*)?", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HERE = {"", "localhost"}  # the hosts that a file:// URL may name


@dataclass(frozen=True)
class Location:
    """One object: a key of a bucket, or (bucket '') an absolute path in which no part is a link."""

    scheme: Literal["s3", "file"]
    bucket: str
    path: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.path}" if self.scheme == "s3" else f"file://{self.path}"

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    def beside(self, name: str) -> Location:
        """Give the object of another name in the same folder; a file that is a link, as what it points to."""
        folder, slash, _ = self.path.rpartition("/")
        path = f"{folder}{slash}{name}"
        return Location(self.scheme, self.bucket, path if self.scheme == "s3" else os.path.realpath(path))


class Prefixes:
    """The prefixes under which everything lies that may be read; without any, nothing may be."""

    def __init__(self, urls: Iterable[str]) -> None:
        """Read prefixes such as `s3://bucket/`, `s3://bucket/folder/` or `file:///folder/`.

        The last slash may be left out; `s3://bucket` does not admit `s3://bucket-of-others` for that. Raises
        `Misconfigured` when one is not a prefix at all.
        """
        self._folders = [_folder(url) for url in urls]

    def admit(self, location: Location) -> bool:
        """Tell whether a location lies under one of the prefixes."""
        return any(
            (folder.scheme, folder.bucket) == (location.scheme, location.bucket)
            and f"{location.path}/".startswith(folder.path)
            for folder in self._folders
        )

    def require(self, location: Location) -> None:
        """Raise `LocationForbidden` unless a location lies under one of the prefixes."""
        if not self.admit(location):
            raise LocationForbidden(f"{location} is outside the locations that this service may read.")


def parse_location(url: str) -> Location:
    """Read the URL of one object, `s3://bucket/key` or `file:///path`; percent-encoding is decoded once.

    Raises `LocationForbidden` for any other URL, and for a path that could mean another than it says.
    """
    try:
        location = _parse(url)
    except ValueError as error:
        raise LocationForbidden(f"{url!r} may not be read: {error}.") from error
    if not location.path.strip("/") or location.path.endswith("/"):
        raise LocationForbidden(f"{url!r} may not be read: it names a folder, not a file.")
    return location


def url_of(named: str) -> str:
    """Give the URL of what a person names, by a URL or by a path from here; in that, `..` goes up as in a shell."""
    if "://" in named:
        return named
    return Path(os.path.abspath(named)).as_uri()  # noqa: PTH100  (a link is what its name says, until it is read)


def is_plain(path: str) -> bool:
    """Tell whether a relative path means what it says: no empty part, no part of dots, no control character."""
    return not _CONTROL.search(path) and not {"", ".", ".."}.intersection(path.split("/"))


def _folder(url: str) -> Location:
    """Read a prefix; the path of the result ends in a slash, or is empty for a whole bucket."""
    try:
        folder = _parse(url)
    except ValueError as error:
        raise Misconfigured(f"The allowed prefix {url!r} cannot be used: {error}.") from error
    path = folder.path.rstrip("/")
    return Location(folder.scheme, folder.bucket, f"{path}/" if path or folder.scheme == "file" else "")


def _parse(url: str) -> Location:
    parts = _URL.fullmatch(url)
    if parts is None:
        raise ValueError("it has to begin with s3:// or file:///")
    try:
        path = unquote(parts["path"] or "/", errors="strict")
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8 once its percent-encoding is decoded") from error
    inner = path.strip("/")
    if (inner and not is_plain(inner)) or path.startswith("//"):
        raise ValueError("its path has an empty part, a part of dots or a control character")
    if parts["scheme"] == "file":
        if parts["bucket"] not in _HERE:
            raise ValueError("a file:// URL has three slashes and names no host")
        slash = "/" if path.endswith("/") else ""
        return Location("file", "", os.path.realpath(path) + slash)
    if not parts["bucket"]:
        raise ValueError("it names no bucket")
    return Location("s3", parts["bucket"], path.removeprefix("/"))
