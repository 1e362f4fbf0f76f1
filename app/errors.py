"""What can go wrong, in the words of the people who have to act on it.

Domain code raises these; `app.api.problems` gives them an HTTP status and `app.cli` an exit code. The
text of an error is a sentence for a person: it says what is wrong and, where there is something to do, what to do.
"""

from __future__ import annotations

from typing import ClassVar


class ReconcileError(Exception):
    """Base of every error that a person may see; `name` is stable, `title` short, the text a sentence."""

    name: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Something went wrong"


class BadManifest(ReconcileError):
    """The manifest cannot be believed: not JSON, a field missing, a checksum that does not match."""

    name = "invalid-manifest"
    title = "The manifest is not valid"


class ManifestNotFound(ReconcileError):
    """There is no manifest at the URL that was given."""

    name = "no-manifest"
    title = "There is no manifest at that URL"


class LocationForbidden(ReconcileError):
    """A manifest or data file lies outside the prefixes that this service may read."""

    name = "forbidden-location"
    title = "That location may not be read"


class StorageUnavailable(ReconcileError):
    """The store did not answer, or answered with a failure that may pass."""

    name = "storage-unavailable"
    title = "The store does not answer"


class BadInventory(ReconcileError):
    """A data file cannot be believed; the text names the file and, where there is one, the first offending row."""

    name = "invalid-inventory"
    title = "The inventory is not valid"


class BadCatalog(ReconcileError):
    """A catalog file that was to be loaded has a row that cannot be taken."""

    name = "invalid-catalog"
    title = "The catalog file is not valid"


class NoSuchJob(ReconcileError):
    """No job has that id."""

    name = "no-such-job"
    title = "No such job"

    def __init__(self, job_id: int) -> None:
        super().__init__(f"There is no job {job_id}.")


class NotStaged(ReconcileError):
    """The job has no rows to compare, and no manifest from which to get them."""

    name = "not-staged"
    title = "The job's inventory is not staged"


class InventorySuperseded(ReconcileError):
    """Another job has since staged the same archive location."""

    name = "inventory-superseded"
    title = "A later job has replaced the staged inventory"


class StagedRowsLost(ReconcileError):
    """PostgreSQL lost transactions that it had confirmed, and staged rows with them; staging again may help."""

    name = "staged-rows-lost"
    title = "PostgreSQL lost staged rows"

    def __init__(self) -> None:
        super().__init__(
            "PostgreSQL has lost rows of the inventory that it had confirmed, as it may when it restarts with "
            "synchronous_commit off or a standby takes its place: submit the manifest again."
        )


class OtherArchiveLocation(ReconcileError):
    """The caller named another archive location than the job's own."""

    name = "other-archive-location"
    title = "The job belongs to another archive location"


class NotEarlier(ReconcileError):
    """A job was to be compared against one that is not older."""

    name = "not-earlier"
    title = "The other job is not earlier"


class Suspicious(ReconcileError):
    """An inventory says something so unlikely that publishing it was refused."""

    name = "suspicious-inventory"
    title = "The inventory is suspicious"


class EngineUnavailable(ReconcileError):
    """The engine asked for cannot do this job here."""

    name = "engine-unavailable"
    title = "That engine cannot do this job"


class ReportNotReady(ReconcileError):
    """The job has published no report yet."""

    name = "report-not-ready"
    title = "There is no report yet"


class BadCursor(ReconcileError):
    """A cursor that this service did not give out for this report."""

    name = "invalid-cursor"
    title = "That cursor is not valid here"


class JobEnded(ReconcileError):
    """The job has nothing running that could be cancelled."""

    name = "job-ended"
    title = "The job has ended"


class JobRunning(ReconcileError):
    """The job is queued or running, and what was asked has to wait."""

    name = "job-running"
    title = "The job is running"


class Cancelled(ReconcileError):
    """Somebody cancelled the job."""

    name = "cancelled"
    title = "The job was cancelled"

    def __init__(self) -> None:
        super().__init__("cancelled")


class GivenUp(ReconcileError):
    """A run has failed as often as it may, the last time with its runner."""

    name = "given-up"
    title = "The job was given up"


class RunLost(ReconcileError):
    """Another runner has taken the run over, so nothing of it may be published here."""

    name = "run-lost"
    title = "The run belongs to another runner"

    def __init__(self, run_id: int, attempt: int) -> None:
        super().__init__(f"Run {run_id} is no longer this runner's (attempt {attempt}).")


class DatabaseNotReady(ReconcileError):
    """The database cannot be reached, or is not migrated."""

    name = "database-unavailable"
    title = "The database is not ready"


class NoToken(ReconcileError):
    """A request came without a token, or with one that nobody was given."""

    name = "no-token"
    title = "Who are you?"


class NotAllowed(ReconcileError):
    """A token lacks the scope that a request needs."""

    name = "not-allowed"
    title = "That token may not do this"


class IssuerUnavailable(ReconcileError):
    """The issuer of access tokens does not give the keys with which they are checked."""

    name = "issuer-unavailable"
    title = "The issuer of tokens does not answer"


class CrossSite(ReconcileError):
    """A browser sent a request for another site's page, or one that does not say for whose."""

    name = "cross-site"
    title = "That came from another site"


class TooBusy(ReconcileError):
    """As many requests are being answered as there may be."""

    name = "too-busy"
    title = "There are too many requests"


class TookTooLong(ReconcileError):
    """A request took longer than it may."""

    name = "took-too-long"
    title = "That took too long"


class TooManyExports(ReconcileError):
    """As many reports are being exported as there may be."""

    name = "too-many-exports"
    title = "Too many exports are running"


class TooManyStreams(ReconcileError):
    """As many event streams are open as there may be."""

    name = "too-many-streams"
    title = "Too many event streams are open"


class Misconfigured(ReconcileError):
    """A setting is missing or contradicts another."""

    name = "misconfigured"
    title = "The settings do not fit together"
