"""Every error that leaves a room of ImageProcessor: one class for each thing to be done about it."""


class ObjectError(Exception):
    """The object that an event named could not be read; the subclass says what that means."""


class ObjectGone(ObjectError):
    """The object, or that version of it, no longer exists (404, 405 on a delete marker, 410)."""


class ObjectChanged(ObjectError):
    """The key holds other bytes than those that were asked for (412)."""


class ObjectUnreadable(ObjectError):
    """The object exists but not in a readable state (archived, or under a foreign key): a row without metadata.

    Attributes:
        warning: says so in the row.
    """

    def __init__(self, text: str, warning: str = "object: not read") -> None:
        super().__init__(text)
        self.warning = warning


class KeyUnusable(ObjectUnreadable):
    """Nobody can read the object for now, since its KMS key is disabled or gone."""


class ObjectDenied(ObjectError):
    """The function may not read the object, or not use its KMS key (403): an operator has to act."""


class ObjectUnavailable(ObjectError):
    """S3 did not answer, or not in full (5xx, throttling, timeout, broken connection): the event is to be retried."""


class ReadLimitReached(ObjectError):
    """One image asked for more than it may cost, of the cost that this names: keep what was read so far."""


class ObjectBroken(ObjectError):
    """Reading the object broke the reader or a limit on it, in its own process: a row without metadata says how."""


class ReaderFailed(Exception):
    """The reader has a fault that this object brings out, as the note says: it may be mended before the last try."""


class ReaderNotStarted(Exception):
    """The process that was to read the object did not begin: nothing is known of the object."""


class Unusable(ValueError):
    """A field is there but says nothing that its column could hold; the text says why, for the row's warnings."""


class XmlRefused(ValueError):
    """An XML document cannot be read, or costs more than it may: the text says why, for the row's warnings."""


class NotWellFormed(XmlRefused):
    """An XML document is not well-formed, or not in a Unicode encoding: what can be read of it may be salvaged."""


class BadNotification(Exception):
    """The message is no S3 event of a shape that this function knows: it goes to the dead-letter queue as it is."""


class NotConfigured(Exception):
    """The function's environment lacks what it cannot do without: it is deployed wrongly, and does nothing."""


class UnexpectedInvocation(Exception):
    """The function was called with something else than a batch of SQS messages: a trigger is set up wrongly."""


class OutOfTime(Exception):
    """Too little of the invocation is left to go on: the message must be delivered again."""


class CatalogError(Exception):
    """The tables could not be brought up to the event; nothing was half done, and the message is delivered again."""


class CatalogContended(CatalogError):
    """Other writers won every attempt, or the time left allowed no more."""


class CatalogUnavailable(CatalogError):
    """DynamoDB did not answer, or throttled, in every attempt that the time left allowed."""


class CatalogRefused(CatalogError):
    """DynamoDB refused the request for good (permission, size, a missing table): an operator has to act."""


class CatalogDamaged(CatalogError):
    """The tables contradict each other in a way that no event can have caused: `verify bucket --repair` is for that."""


class ObjectUncompared(Exception):
    """A decision needs to know whether two objects of one ETag hold the same: read both, and come again with that.

    Attributes:
        object: the object to be compared with, as its record is named.
    """

    def __init__(self, other: str) -> None:
        super().__init__(other)
        self.object = other


class LookOutdated(Exception):
    """The object's record was written after a look at S3 that may be newer than the fact: look, and come again."""


class ItemUnseen(Exception):
    """A decision needs an item of the tables that has not been read yet: read it, and decide again.

    Attributes:
        table: name of the table's partition key.
        key: the item's partition key.
    """

    def __init__(self, table: str, key: str) -> None:
        super().__init__(f"{table}={key}")
        self.table = table
        self.key = key
