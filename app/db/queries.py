"""SQL that lives in `.sql` files, each statement under a name.

A file holds statements separated by lines `-- name: <identifier>`; the comment lines that follow say what
the statement is for and stay part of it.
"""

from __future__ import annotations

import re
from importlib.resources import files

from sqlalchemy import TextClause, text

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


class Queries:
    """The named statements of one `.sql` file of a package: `Queries("app.jobs", "jobs.sql")["claim"]`."""

    def __init__(self, package: str, file: str) -> None:
        _, *parts = _NAME.split((files(package) / file).read_text(encoding="utf-8"))
        self._statements = {name: text(body.strip()) for name, body in zip(parts[::2], parts[1::2], strict=True)}

    def __getitem__(self, name: str) -> TextClause:
        return self._statements[name]

    def of_table(self, name: str, placeholder: str, quoted: str) -> TextClause:
        """Give the statement with the table that it calls `placeholder` in place, its name quoted by PostgreSQL."""
        return text(self._statements[name].text.replace(placeholder, quoted))
