"""How old image-data.csv is, by the first commit that it does not show.

The root's age is known to whoever commits: it has the events. The file's is not, because a publish shows commits of
many exporters at once. The immutable copies of the roots tell it: each says how old the oldest event of its commit was,
and S3 when it was written.

A CSV of version v lacks the commits from v + 1 on, but not every one of them changes a row: a photo that came and went
within a batch leaves a removal alone, a repair a note. Their trees are equal, and a CSV that shows the tree shows them,
however long ago they were. So the first commit is looked for whose tree is another: nearly always it is v + 1;
otherwise the versions up to the root are halved, which takes few requests for any number of them.

Copies of attempts that lost lie there as well, and nothing tells them from the one that won. Their events came as
early, and are not in the CSV either; so the oldest of all counts.
"""

from bisect import bisect_left
from datetime import datetime
from typing import NamedTuple

from ledger.errors import Damaged, NewerFormat, NotFound, Unavailable
from ledger.keys import name_of_copy, root_copies_of
from ledger.ledger import Ledger
from ledger.manifest import Root
from ledger.store import Listed, Stored


class Unshown(NamedTuple):
    """The first commit that a CSV does not show.

    Attributes:
        version: that it made.
        oldest_event: time of its oldest event (ISO 8601, whole seconds); empty if that is not known.
        committed: when it was committed; None if that is not known.
    """

    version: int
    oldest_event: str
    committed: datetime | None = None


def first_unshown(ledger: Ledger, root: Root, present: Stored | None) -> Unshown | None:
    """Find the first commit that the present CSV does not show; None if it shows all, or does not say what it shows.

    Args:
        ledger: whose copies of roots.
        root: that stands, or is to be shown.
        present: all but the bytes of image-data.csv.

    Raises:
        Unavailable: the store did not answer.
    """
    shown = shown_version(present)
    if present is None or shown is None or shown >= root.version or present.metadata.get("tree") == root.tree_hash:
        return None
    tree, later = present.metadata.get("tree"), range(shown + 1, root.version + 1)
    version, copies = later[0], _copies(ledger, later[0], tree)
    if not copies:
        version = later[bisect_left(later[:-1], True, key=lambda one: bool(_copies(ledger, one, tree)))]
        copies = _copies(ledger, version, tree)
    if not copies:
        return Unshown(root.version, root.oldest_event)
    events = [copy.oldest_event for _, copy in copies if copy.oldest_event]
    return Unshown(version, min(events, default=""), min(listed.modified for listed, _ in copies))


def oldest_unshown(ledger: Ledger, root: Root, present: Stored | None) -> str:
    """Give the time of the oldest event of the first commit that the CSV does not show; empty if it is not known.

    Where the root is the CSV's successor, as after a commit that met nobody, this asks the store for nothing; nor if
    nobody knows what readers saw last, because the CSV is gone, or is not ours: it is the root's own event then. And if
    the store does not answer, nothing is known: no publish is to fail for an age.
    """
    shown = shown_version(present)
    if shown is None or shown + 1 == root.version:
        return root.oldest_event
    try:
        first = first_unshown(ledger, root, present)
    except Unavailable:
        return ""
    return first.oldest_event if first else ""


def shown_version(present: Stored | None) -> int | None:
    """Give the version of the root that the CSV says it shows; None if there is none, or none of a publisher's."""
    try:
        return int(present.metadata["version"]) if present else None
    except (KeyError, ValueError):
        return None


def seconds_since(ledger: Ledger, event: str) -> float | None:
    """Say how long ago an event was; never less than 0, for clocks differ, and None if its time is not known."""
    return max(0.0, ledger.now() - datetime.fromisoformat(event).timestamp()) if event else None


def _copies(ledger: Ledger, version: int, but: str | None) -> list[tuple[Listed, Root]]:
    """Read the copies of a version's roots that show another tree than this."""

    def read(listed: Listed) -> list[tuple[Listed, Root]]:
        try:
            root = ledger.load_copy(name_of_copy(listed.key))
        except (NotFound, Damaged, NewerFormat):
            return []  # gone, or not ours to read: the next one that can be read counts
        return [(listed, root)] if root.tree_hash != but else []

    listed = ledger.store.list(root_copies_of(version))
    return [copy for found in ledger.store.map(read, listed) for copy in found]
