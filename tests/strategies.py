"""Catalogs and inventories that have to do with each other: shared keys, changed fields, versions, delete markers."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

from hypothesis import strategies as st

from tests.oracle import FIELDS, CatalogFile, ListedObject

BUCKET = "orca-archive"
OTHER_BUCKET = "orca.other"
CREATED = datetime(2024, 5, 7, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST_KEY = 1024  # bytes of UTF-8, by the rules of S3

CATALOG_CLASSES = ("GLACIER", "DEEP_ARCHIVE")
S3_CLASSES = (*CATALOG_CLASSES, "STANDARD", "STANDARD_IA", "GLACIER_IR", "INTELLIGENT_TIERING", "glacier")

# Each has broken some reader: of paths and URL encoding, of CSV and COPY's text format, or of Unicode.
OF_URLS = ("/", "//", "./", "../", " ", "  ", "+", "%", "%20", "%2B", "%2F", "%25", "%zz", "&", "=", "~", "*", "#", "?")
OF_TEXT = ('"', '""', "'", ",", ";", "|", "\\", "\\N", "\\.", "\t", "\n", "\r\n", "\x01", "{", "}", "$1", "--", "NULL")
OF_UNICODE = ("é", "e\u0301", "ß", "İ", "東京", "🛰", "\u00a0", "\u2028", "\ufeff", "\U0010ffff")
AWKWARD = (*OF_URLS, *OF_TEXT, *OF_UNICODE)

VERSIONS = ("VersionId", "IsLatest", "IsDeleteMarker")
COMPARED_COLUMNS = {"ETag": "etag", "Size": "size_in_bytes", "StorageClass": "storage_class"}
IGNORED = ("IsMultipartUploaded", "ReplicationStatus", "EncryptionStatus", "ChecksumAlgorithm", "ObjectOwner")


@dataclass(frozen=True)
class Archive:
    """A catalog and an inventory of one bucket; `columns` are those of the inventory, in its order.

    What the columns do not carry is already taken out of the rows.
    """

    catalog: tuple[CatalogFile, ...]
    listed: tuple[ListedObject, ...]
    columns: tuple[str, ...]
    bucket: str = BUCKET
    created: datetime = CREATED

    @property
    def compared(self) -> tuple[str, ...]:
        carried = {COMPARED_COLUMNS[column] for column in self.columns if column in COMPARED_COLUMNS}
        return tuple(name for name in FIELDS if name in carried)


def keys() -> st.SearchStrategy[str]:
    """Any text that S3 takes as a key and PostgreSQL as text: no surrogates, no NUL."""
    letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    parts = st.sampled_from(AWKWARD) | st.sampled_from(["a", "b.hdf", "MOD09GQ", "2017"]) | st.text(letters, max_size=8)
    whole = st.lists(parts, min_size=1, max_size=8).map("".join) | st.text(letters, min_size=1, max_size=200)
    return whole.filter(_is_key)


def _is_key(key: str) -> bool:
    return 0 < len(key.encode()) <= LONGEST_KEY


LIKENESSES: tuple[Callable[[str], str], ...] = (
    quote,
    unquote,
    lambda key: key.replace(" ", "+"),
    lambda key: key.replace("+", " "),
    lambda key: unicodedata.normalize("NFC", key),
    lambda key: unicodedata.normalize("NFD", key),
    str.swapcase,
    str.strip,
    lambda key: f"{key} ",
    lambda key: f"{key}/",
    lambda key: f'"{key}"',
    lambda key: key[:-1],
)


@st.composite
def key_sets(draw: st.DrawFn, *, max_size: int = 12) -> list[str]:
    """Draw different keys, of which some are easily taken for one another."""
    found = draw(st.lists(keys(), max_size=max_size // 2, unique=True))
    if found:
        pairs = st.tuples(st.sampled_from(found), st.sampled_from(LIKENESSES))
        found += [likeness(key) for key, likeness in draw(st.lists(pairs, max_size=max_size - len(found)))]
    # Decoding once more may leave a NUL, and stripping nothing at all.
    return [key for key in dict.fromkeys(found) if "\0" not in key and _is_key(key)]


def etags() -> st.SearchStrategy[str]:
    """The MD5 of an object, or of its parts with their number; no quotes."""
    digests = st.integers(0, 2**128 - 1).map("{:032x}".format)
    return digests | st.tuples(digests, st.integers(1, 10_000)).map(lambda parts: f"{parts[0]}-{parts[1]}")


def sizes() -> st.SearchStrategy[int]:
    return st.sampled_from([0, 1, 2**31, 2**32 + 1, 2**53 + 1, 2**62]) | st.integers(0, 2**62)


def times() -> st.SearchStrategy[datetime]:
    """Whole milliseconds, and often just at the border of what is pending with a grace of none or of an hour."""
    ms, hour = timedelta(milliseconds=1), timedelta(hours=1)
    borders = st.sampled_from(
        [CREATED + border + step for border in (timedelta(), -hour) for step in (-ms, 0 * ms, ms)]
    )
    usual = st.integers(-(10**11), 10**9).map(lambda offset: CREATED + offset * ms)
    return usual | borders


@st.composite
def column_sets(draw: st.DrawFn, *, optional: bool = True) -> tuple[str, ...]:
    """Draw the columns of an inventory in any order; with `optional` all but the bucket and the key may be missing."""
    if not optional:
        return ("Bucket", "Key", *VERSIONS, "Size", "LastModifiedDate", "ETag", "StorageClass", *IGNORED)
    versions = draw(st.sampled_from([VERSIONS, VERSIONS, ()]))
    others = draw(st.sets(st.sampled_from(["Size", "LastModifiedDate", "ETag", "StorageClass", *IGNORED])))
    return tuple(draw(st.permutations(["Bucket", "Key", *versions, *sorted(others)])))


@st.composite
def archives(draw: st.DrawFn, *, max_keys: int = 12, optional_columns: bool = True) -> Archive:
    """Draw an archive whose keys are in the catalog, in S3, in both, deleted, or known by old versions only."""
    columns = draw(column_sets(optional=optional_columns))
    granules = draw(
        st.lists(_granules(), min_size=1, max_size=4, unique_by=lambda file: (file.collection, file.granule))
    )
    catalog: list[CatalogFile] = []
    listed: list[ListedObject] = []
    for key in draw(key_sets(max_size=max_keys)):
        file = draw(_files(key, granules))
        where = draw(st.sampled_from(["both", "both", "both", "catalog", "s3", "neither"]))
        if where in {"both", "catalog"}:
            catalog.append(file)
        if where in {"both", "s3"}:
            listed.append(draw(_objects(file)))
        elif draw(st.booleans()):
            listed.append(draw(_markers(key)))
        listed += draw(st.lists(_old_versions(key), max_size=2))
        if draw(st.integers(0, 4)) == 0:
            # A file of the same key in another bucket, of which this inventory says nothing.
            catalog.append(replace(draw(_files(key, granules)), archive_location=OTHER_BUCKET))
    carried = [_carried(row, columns) for row in listed]
    rows = draw(st.permutations([row for row in carried if row is not None]))
    return Archive(catalog=tuple(draw(st.permutations(catalog))), listed=tuple(rows), columns=columns)


@st.composite
def _granules(draw: st.DrawFn) -> CatalogFile:
    """Draw what the files of a granule have in common, as a file without a key."""
    return CatalogFile(
        key="",
        etag="",
        size=0,
        storage_class="",
        last_update=draw(times()),
        collection=draw(st.sampled_from(["MOD09GQ___061", "MOD09GQ___006", "AfriSAR UAVSAR___1", "_under_score___v1"])),
        granule=draw(st.sampled_from(["MOD09GQ.A2017025.h21v00", "mod09gq.a2017025.h21v00", 'Zürich "a", %', "g"])),
        archive_location=BUCKET,
    )


@st.composite
def _files(draw: st.DrawFn, key: str, granules: list[CatalogFile]) -> CatalogFile:
    etag = draw(etags())
    return replace(
        draw(st.sampled_from(granules)),
        key=key,
        etag=draw(st.sampled_from([f'"{etag}"', f'"{etag}"', etag])),
        size=draw(sizes()),
        storage_class=draw(st.sampled_from(CATALOG_CLASSES)),
    )


@st.composite
def _objects(draw: st.DrawFn, file: CatalogFile) -> ListedObject:
    """Draw a latest version that is like the file, or differs from it in any of the three fields."""
    etag = file.etag.strip('"')
    if draw(st.integers(0, 3)) == 0:
        etag = draw(etags() | st.sampled_from([etag[:-1], etag.upper(), f"{etag}-1", ""]))
    size = draw(st.sampled_from([file.size] * 3 + [file.size + 1, 0]) | sizes())
    return ListedObject(
        key=file.key,
        etag=draw(st.sampled_from([etag, etag, f'"{etag}"'])) if etag else None,
        size=size or draw(st.sampled_from([0, None])),
        storage_class=draw(st.sampled_from([file.storage_class] * 5 + [*S3_CLASSES, None])),
        last_modified=draw(times()),
    )


def _markers(key: str) -> st.SearchStrategy[ListedObject]:
    return times().map(
        lambda time: ListedObject(
            key=key, etag=None, size=None, storage_class=None, last_modified=time, is_delete_marker=True
        )
    )


@st.composite
def _old_versions(draw: st.DrawFn, key: str) -> ListedObject:
    marker = draw(_markers(key))
    if draw(st.integers(0, 3)) == 0:
        return replace(marker, is_latest=False)
    return ListedObject(
        key=key,
        etag=draw(etags()),
        size=draw(sizes()),
        storage_class=draw(st.sampled_from(S3_CLASSES)),
        last_modified=draw(times()),
        is_latest=False,
    )


def _carried(row: ListedObject, columns: tuple[str, ...]) -> ListedObject | None:
    """Take out what the columns do not carry; an inventory without versions lists what there is now, and no more."""
    if "IsLatest" not in columns and (row.is_delete_marker or not row.is_latest):
        return None
    return replace(
        row,
        etag=row.etag if "ETag" in columns else None,
        size=row.size if "Size" in columns else None,
        storage_class=row.storage_class if "StorageClass" in columns else None,
        last_modified=row.last_modified if "LastModifiedDate" in columns else EPOCH,
    )
