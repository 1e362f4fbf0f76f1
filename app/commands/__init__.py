"""The commands that ask the service something, each for the local database or, with `--url`, a service elsewhere."""
