"""One S3 Inventory report: its manifest, where its files lie, and its rows as one DuckDB relation."""
