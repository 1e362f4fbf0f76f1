"""An earlier inventory of a generated archive: some of the files that are missing today were still there."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections.abc import Collection, Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote_plus, unquote_plus

from app.samples.columns import file_schema


def write_earlier(archive: Path, folder: Path, *, before: timedelta, lost: Collection[str]) -> Path:
    """Write the inventory that S3 would have made `before` the one in `archive`, and give its manifest's path.

    `lost` are the collections that had lost their files by then; the phantoms of all others were still there, as the
    catalog has them. Files that were written to the archive since are listed all the same. `archive` was generated
    with format csv.
    """
    manifest = json.loads((archive / "inventory" / "manifest.json").read_text())
    phantoms = set(json.loads((archive / "expected.json").read_text())["phantoms"])
    schema = [name.strip() for name in file_schema("csv").split(",")]
    there = {
        file["key_path"]: file
        for file in _rows(archive / "catalog.csv")
        if file["key_path"] in phantoms and file["collection_id"] not in lost
    }
    data_files = [archive / file["key"] for file in manifest["files"]]
    path = folder / "data" / "files.csv.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    key = schema.index("Key")
    with gzip.open(path, "wt", compresslevel=1, newline="", encoding="utf-8") as out:
        writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
        for data_file in data_files:
            with gzip.open(data_file, "rt", newline="", encoding="utf-8") as lines:
                # What is left of a file that was deleted since, its delete marker, was not there yet; keys are encoded
                # in more than one way.
                writer.writerows(row for row in csv.reader(lines) if unquote_plus(row[key]) not in there)
        for file in there.values():
            listed = {
                "Bucket": manifest["sourceBucket"],
                "Key": quote_plus(file["key_path"], safe="/"),
                "IsLatest": "true",
                "IsDeleteMarker": "false",
                "Size": file["size_in_bytes"],
                "LastModifiedDate": file["ingest_time"],
                "ETag": file["etag"].strip('"'),
                "StorageClass": file["storage_class"],
            }
            writer.writerow([listed.get(name, "") for name in schema])
    raw = path.read_bytes()
    checksum = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    created = int(manifest["creationTimestamp"]) - before // timedelta(milliseconds=1)
    manifest |= {
        "creationTimestamp": str(created),
        "files": [{"key": f"{folder.name}/data/{path.name}", "size": len(raw), "MD5checksum": checksum}],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2))
    return folder / "manifest.json"


def _rows(catalog: Path) -> Iterator[dict[str, str]]:
    with catalog.open(newline="", encoding="utf-8") as lines:
        yield from csv.DictReader(lines)
