"""Inventories that arrive by themselves: found where S3 delivers them, or announced by a queue."""
