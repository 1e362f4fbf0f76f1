"""What somebody may have set for the sessions of a login, and would break ours."""

from __future__ import annotations

IMPATIENT = {
    "statement_timeout": "1s",
    "lock_timeout": "1s",
    "transaction_timeout": "1s",
    "idle_in_transaction_session_timeout": "1s",
    "idle_session_timeout": "1s",
}
STRANGE = {
    "client_encoding": "LATIN1",
    "default_transaction_isolation": "serializable",
    "standard_conforming_strings": "off",
}
