"""How old root and file are, as the export bucket tells it: the root behind the stream, the file behind the root."""

from dataclasses import dataclass
from datetime import datetime

from ledger.age import first_unshown, shown_version
from ledger.assemble import size_of
from ledger.claim import claim_key, may_live
from ledger.errors import NotFound
from ledger.event import time_text
from ledger.keys import ROOT_KEY
from ledger.ledger import Ledger
from ledger.manifest import Root
from ledger.pending import list_waiting
from ledger.store import Stored


@dataclass(frozen=True, slots=True)
class Freshness:
    """Both ages; times are ISO 8601 in UTC, sizes in bytes, ages in seconds. None: not known.

    Attributes:
        committed: when the root was committed.
        root_age_seconds: how old the oldest event of that commit was by then.
        waiting_seconds: for how long the oldest batch has been waiting in `pending/` to be committed; None if none is.
        file_age_seconds: how old the oldest event is that image-data.csv does not show; 0 if it shows all.
        behind_seconds: how long ago the first commit was that it does not show; 0 likewise.
        behind_versions: commits that it does not show.
        behind_rows, behind_bytes: that it lacks; less than 0 where rows went.
        publishing_since: since when somebody has claimed to replace it; empty if nobody has who may live.
    """

    committed: str
    root_age_seconds: int | None
    waiting_seconds: int | None
    file_age_seconds: int | None
    behind_seconds: int | None
    behind_versions: int | None
    behind_rows: int | None
    behind_bytes: int | None
    publishing_since: str = ""


def read_freshness(ledger: Ledger, root: Root, present: Stored | None, now: datetime) -> Freshness:
    """Read both ages.

    Args:
        ledger: whose.
        root: that stands.
        present: all but the bytes of image-data.csv.
        now: the time.

    Raises:
        Unavailable: the store did not answer.
    """
    committed, waiting, claimed = ledger.together(
        lambda: _committed(ledger, root), lambda: _waiting_since(ledger, now), lambda: _claimed(ledger, present, now)
    )
    return Freshness(
        time_text(committed) if committed else "",
        _seconds(root.oldest_event, committed),
        _age(waiting, now),
        *_behind(ledger, root, present, now),
        time_text(claimed) if claimed else "",
    )


def _committed(ledger: Ledger, root: Root) -> datetime | None:
    """Say when a root was written, by its copy; where that is collected, nothing has been committed since."""
    try:
        return ledger.store.head(root.copy_key).modified
    except NotFound:
        return ledger.store.head(ROOT_KEY).modified


def _waiting_since(ledger: Ledger, now: datetime) -> datetime | None:
    return next((one.modified for one in list_waiting(ledger.store, now)), None)


def _claimed(ledger: Ledger, present: Stored | None, now: datetime) -> datetime | None:
    try:
        claim = ledger.store.head(claim_key(present))
    except NotFound:
        return None
    return claim.modified if may_live(claim, now.timestamp()) else None


def _behind(
    ledger: Ledger, root: Root, present: Stored | None, now: datetime
) -> tuple[int | None, int | None, int | None, int | None, int | None]:
    if present is not None and present.metadata.get("tree") == root.tree_hash:
        return 0, 0, 0, 0, 0
    first, shown = first_unshown(ledger, root, present), shown_version(present)
    if present is None or first is None or shown is None:
        return None, None, None, None, None
    rows = present.metadata.get("rows", "")
    return (
        _seconds(first.oldest_event, now),
        _age(first.committed, now),
        root.version - shown,
        root.rows.rows - int(rows) if rows.isdecimal() else None,
        size_of(root) - present.size,
    )


def _seconds(event: str, until: datetime | None) -> int | None:
    return _age(datetime.fromisoformat(event), until) if event and until else None


def _age(since: datetime | None, until: datetime) -> int | None:
    return max(0, int((until - since).total_seconds())) if since else None
