"""Run the project's DuckDB SQL on Spark: a few spellings differ, and some functions are missing there.

The functions are made known to Spark under DuckDB's names (`spark.sql`). What is left is changed in the text; most of
all `trim(text, characters)`, which Spark has too, but with its arguments the other way round.
"""

from __future__ import annotations

import re

_SPELLINGS = (
    (
        re.compile(r"\* REPLACE \((?P<value>.*) AS (?P<name>\w+)\s*\)", re.DOTALL),
        r"* EXCEPT (\g<name>), \g<value> AS \g<name>",
    ),
    (re.compile(r"\bAS NOT MATERIALIZED\b"), "AS"),
    (re.compile(r"\bTIMESTAMPTZ (?=')"), "TIMESTAMP "),
    (re.compile(r"\btrim\((?P<text>\w+), (?P<characters>'[^']*')\)"), r"trim(BOTH \g<characters> FROM \g<text>)"),
)

FUNCTIONS = (
    *("error", "strlen", "regexp_matches"),
    *("sound_text", "csv_text", "csv_key", "csv_truth", "csv_number", "csv_time"),
)
"""The statements of `spark.sql` that make functions known, each after those that it uses."""


def in_spark(sql: str) -> str:
    """Spell a query of ours as Spark does."""
    for pattern, spelling in _SPELLINGS:
        sql = pattern.sub(spelling, sql)
    return sql
