"""The archive's catalog: loading it from a file, reading it in parallel."""
