"""The three formats of data files, each giving the same raw columns; what the rows mean is `app.inventory.sql`'s."""

from __future__ import annotations

from app.inventory.columns import FileFormat
from app.inventory.formats import csvgz, orc, parquet
from app.inventory.formats.reader import Reader

READERS: dict[FileFormat, Reader] = {
    "CSV": csvgz.CsvReader(),
    "ORC": orc.OrcReader(),
    "Parquet": parquet.ParquetReader(),
}
