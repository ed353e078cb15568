"""Which times the CSV can be set back to: not before its first event, and not to one that is yet to come.

A wrong year would else make an empty CSV of all, or a new version of the same one.
"""

from datetime import UTC, datetime

from ledger.event import time_text
from ledger.keys import JOURNAL, is_of_a_ledger, segment_name
from ledger.ledger import Ledger
from ledger.manifest import Root
from operations.errors import BadTime
from operations.rebuild.plan import JournalSummary


def check_past(ledger: Ledger, live: Root | None, until: str) -> None:
    """Refuse a time that no event can be as old as, as far as names tell it: before anything is read.

    Args:
        ledger: whose journal.
        live: the live root, if there is one.
        until: the time; ISO 8601 in UTC.

    Raises:
        BadTime: it is before the first event's hour, or yet to come.
        Unavailable: the store did not answer.
    """
    now = time_text(datetime.fromtimestamp(ledger.now(), UTC))
    if until > max(now, live.checkpoint.newest_event if live else ""):  # this machine's clock may be behind
        raise BadTime(f"{until} is yet to come: it is {now} now")
    keys = (listed.key for listed in ledger.store.list(JOURNAL))
    first = next((key for key in keys if is_of_a_ledger(key)), None)
    if first is None:
        raise BadTime("the journal has no event yet")
    date, hour = (part.partition("=")[2] for part in segment_name(first).split("/")[:2])
    if until < f"{date}T{hour}:00:00Z":
        raise BadTime(f"{until} is before the first event, which is of {date}T{hour}Z")


def check_found(until: str, journal: JournalSummary) -> None:
    """Refuse a time that no event turned out to be as old as.

    Raises:
        BadTime: the tree of that time is empty since nothing had happened yet.
    """
    if until and journal.events == journal.later:
        raise BadTime(f"{until} is before the first of {journal.events:,} events")
