"""The archive locations of a soak: catalogs that are loaded, and deliveries of which there is always one more."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from app.catalog.load import load_catalog
from app.db.engine import Database
from app.samples.expected import Expected
from app.samples.generate import generate

LOCATIONS = 8
FILES = 100_000
SEED = 20260501
FORMATS = ("csv", "orc", "parquet")


@dataclass
class Sample:
    """An archive location: its delivery, and what has to be found."""

    inventory: Path
    expected: Expected

    def manifest(self, number: int) -> str:
        """Write one more manifest for the same files, and give its URL."""
        manifest = json.loads((self.inventory / "manifest.json").read_text())
        manifest["creationTimestamp"] = str(int(manifest["creationTimestamp"]) + number)
        path = self.inventory / f"{number}" / "manifest.json"
        path.parent.mkdir()
        path.write_text(json.dumps(manifest))
        return path.as_uri()


async def prepare(folder: Path, database: Database) -> list[Sample]:
    """Generate the archive locations, and load their catalogs."""
    samples = []
    for number in range(LOCATIONS):
        out = folder / f"archive-{number}"
        bucket = f"soak-{number}"
        expected = generate(FILES, out, SEED + number, FORMATS[number % len(FORMATS)], bucket=bucket, findings=0.01)
        catalog = out / "catalog.csv"
        catalog.write_text(catalog.read_text().replace('"cumulus-', f'"{bucket}-cumulus-'))
        await load_catalog(database, catalog)
        catalog.unlink()
        samples.append(Sample(out / "inventory", expected))
    return samples
