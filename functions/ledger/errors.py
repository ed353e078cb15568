"""Every error of the ledger; each sentence says which state it means."""


class LedgerError(Exception):
    """Something in the ledger is not as it should be.

    Attributes:
        cause: what it came of, if it came from another process, in which `__cause__` stays.
    """

    cause: BaseException | None = None


class BadEvent(LedgerError):
    """The stream record cannot become a change: it goes to quarantine whole and never blocks the stream."""


class NotFound(LedgerError):
    """The store holds no object of that key."""


class Refused(LedgerError):
    """A conditional write was refused (412, or 409 while another writer was at it): nothing was written."""


class Unavailable(LedgerError):
    """The store did not answer a read, or refused to serve it; asking again may help."""


class Denied(Unavailable):
    """The store will not serve us: credentials, a permission or the bucket are missing; asking again is no use."""


class Unknown(LedgerError):
    """The answer to a write was lost: it may have landed, so look before anything else, and delete nothing."""


class OutOfTime(LedgerError):
    """Too little of the invocation is left to go on; what is not committed must be delivered again."""


class NotCalled(LedgerError):
    """The function that publishes may not have been called: the next commit calls it, or the schedule."""


class Damaged(LedgerError):
    """An object's bytes are not those that its name or its parent promises."""


class RootDamaged(Damaged):
    """`manifest.json` is there, and is empty or no root: put the right one back, or delete it and make it again."""


class SegmentGone(Damaged):
    """A segment that was listed is gone; if an image was forgotten since, another has taken its place."""


class NewerFormat(LedgerError):
    """The root was written by a newer Skyledger, whose rules this code does not know."""


class NoLedger(LedgerError):
    """The bucket holds no ledger, and whoever looked for one must not begin one there: nothing was written."""


class ManifestLost(LedgerError):
    """`manifest.json` is gone although shards exist: restore it, do not start anew."""
