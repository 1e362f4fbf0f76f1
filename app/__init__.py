"""Compare S3 inventories with an archive catalog."""
