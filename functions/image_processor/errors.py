"""What can come between an S3 event and the bytes of its object: one class for each thing to be done about it."""


class ObjectError(Exception):
    """The object that an event named could not be read; the subclass says what that means."""


class ObjectGone(ObjectError):
    """The object, or that version of it, no longer exists (404, 405 on a delete marker, 410): nothing is left to do."""


class ObjectChanged(ObjectError):
    """The key holds other bytes than the event's (412): they belong to a newer event."""


class ObjectUnreadable(ObjectError):
    """The object exists but not in a readable state (archived, or under a customer's key): a row without metadata."""


class ObjectDenied(ObjectError):
    """The function may not read the object, or not use its KMS key (403): an operator has to act."""


class ObjectUnavailable(ObjectError):
    """S3 did not answer, or not in full (5xx, throttling, timeout, broken connection): the event is to be retried."""


class ReadLimitReached(ObjectError):
    """One image asked for more bytes or requests than it may cost: keep what was read so far."""
