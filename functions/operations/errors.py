"""Every error of the operations, beside those of the ledger; each sentence says which state it means.

Their names are part of what `skyledger --json` prints. `operations.cli.exit_codes` says how a command ends by each.
"""

from ledger.errors import LedgerError


class NotSwapped(LedgerError):
    """Exporters were faster every time; what is live stays, and it can be tried again."""


class BadName(LedgerError):
    """A snapshot cannot have this name, has it already, or none has it."""


class BadTime(LedgerError):
    """The CSV cannot be set back to a time before its first event, or to one that is yet to come."""


class NotAgreed(LedgerError):
    """Somebody was asked, and did not say yes; nothing was changed."""


class ExecutionFailed(LedgerError):
    """The state machine could not finish; nothing was swapped unless its last step says so."""


class ExportFailed(LedgerError):
    """DynamoDB could not finish the export."""


class TooOld(LedgerError):
    """The export is so old that removals since then may be forgotten; it cannot be merged safely."""


class NotPulled(LedgerError):
    """The copy could not be written."""


class OtherLedger(LedgerError):
    """The folder has a copy of another ledger; it was left as it is."""


class OtherTable(LedgerError):
    """The CSV is not of that table; nothing was done."""


class BadExpression(LedgerError):
    """The condition on rows is not an expression that DuckDB understands."""


class OldColumns(LedgerError):
    """The CSV lacks a column that is asked of it, since it has the columns of an older version."""


class TooManyRows(LedgerError):
    """A sheet does not hold so many rows."""


class NoPlace(LedgerError):
    """It was not said which bucket, or the stack does not have what is asked of it."""


class Busy(LedgerError):
    """Somebody else is at work where a command was to be: its scratch folder, its port, the journal."""


class NotOurs(LedgerError):
    """Another user's folder, or a link, stands where a command was to work."""


class StillThere(LedgerError):
    """An image that is to be forgotten is not gone yet; nothing was changed."""


class UnknownImage(LedgerError):
    """No event is about an image that is to be forgotten; nothing was changed."""


class DiskFull(LedgerError):
    """A disk of this machine is full, or too small for what is to be written there; nothing was changed."""


class NoSource(LedgerError):
    """The stack does not take images from there; nothing was done."""


class BadInventory(LedgerError):
    """What was named is no inventory that can be read, or not the whole of one; nothing was done."""


class BadWish(LedgerError):
    """An execution was asked for something that it does not know; nothing was done."""
