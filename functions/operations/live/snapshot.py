"""Snapshots: pinned roots. What a snapshot names is never collected, so a tree can be gone back to at any time.

Restoring makes an old tree the live one, as a new version; nothing is lost by it, because the journal still holds every
event, and because the root that was replaced is kept as a snapshot too.

1. Read the live root and write it as `snapshots/before-restore-<version>.json`.
2. Make sure of every object that the old tree names.
3. Swap the root with If-Match; the new one says what it was restored to, unless it is what stood before a restoration.
   Refused: an exporter was faster; read the root and go to 1. Unknown: look whether it is
   ours.
4. Publish. Exporters go on from there: what they merge next is merged into the old tree.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from ledger.errors import NotFound
from ledger.keys import SNAPSHOTS, snapshot_key, snapshot_name
from ledger.ledger import Ledger
from ledger.manifest import Restored, Root, decode_root, encode_root
from ledger.objects import PAGE_TYPE
from operations.errors import BadName, NotSwapped
from operations.live.backoff import back_off
from operations.live.keep_alive import make_sure
from operations.live.publishing import publish_watched
from operations.live.root import live_root, next_version, put_root, swap_id, write_description
from operations.progress import Progress, silent

_NAME = re.compile(r"[A-Za-z0-9][-._A-Za-z0-9]{0,99}", re.ASCII)
_REPLACED = "before-restore-"
_TRIES = 60


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A pinned root in the listing."""

    name: str
    made: datetime


def _key(name: str) -> str:
    """Give the key of a snapshot.

    Raises:
        BadName: it is no name for one.
    """
    if not _NAME.fullmatch(name):
        raise BadName(f"{name!r} is no name: letters, digits, dots, dashes and underscores, at most 100")
    return snapshot_key(name)


def pin(ledger: Ledger, name: str, root: Root) -> None:
    """Pin a root under a name that is free, or holds the same root.

    Raises:
        BadName: another root is pinned under it.
        Unavailable: the store did not answer.
    """
    if not ledger.store.put_new(_key(name), encode_root(root), PAGE_TYPE) and load(ledger, name) != root:
        raise BadName(f"there is another snapshot {name}")


def load(ledger: Ledger, name: str) -> Root:
    """Read a snapshot.

    Raises:
        BadName: there is none of this name.
        Damaged: it is not a root.
    """
    try:
        stored = ledger.store.get(_key(name))
    except NotFound as error:
        raise BadName(f"there is no snapshot {name}") from error
    return decode_root(stored.body, _key(name))


def snapshots(ledger: Ledger) -> Iterator[Snapshot]:
    """List the snapshots."""
    for listed in ledger.store.list(SNAPSHOTS):
        yield Snapshot(snapshot_name(listed.key), listed.modified)


def remove(ledger: Ledger, name: str) -> None:
    """Unpin a root: what only it named is collected a day later.

    Raises:
        BadName: there is none of this name.
    """
    load(ledger, name)
    ledger.store.delete([_key(name)])


def keep_present(ledger: Ledger) -> str:
    """Pin the live root before it is replaced; give the snapshot's name, or nothing if there is no root."""
    live, _ = live_root(ledger)
    if live is None:
        return ""
    name = f"{_REPLACED}{live.version}"
    pin(ledger, name, live)
    return name


def last_replaced(ledger: Ledger) -> str:
    """Name the snapshot of the root that the last restoration replaced.

    Raises:
        BadName: nothing was restored.
    """
    names = [one.name for one in snapshots(ledger) if one.name.startswith(_REPLACED)]
    versions = [int(name.removeprefix(_REPLACED)) for name in names if name.removeprefix(_REPLACED).isdigit()]
    if not versions:
        raise BadName("there is nothing to undo: no snapshot was made before a restoration")
    return f"{_REPLACED}{max(versions)}"


def restore(ledger: Ledger, wanted: Root, name: str, progress: Progress = silent) -> tuple[Root, str]:
    """Make the tree of an old root the live one, by the steps above.

    Args:
        ledger: whose tree it becomes.
        wanted: the old root.
        name: of the snapshot that it is.
        progress: is told how far making sure and publishing are.

    Returns:
        The new root, and the name of the snapshot that holds the replaced one (empty if there was none).

    Raises:
        NotSwapped: exporters were faster every time; nothing was changed.
        Damaged: an object of the old tree is gone.
        Unavailable: the store did not answer.
    """
    safe: set[str] = set()
    for tries in range(_TRIES):
        live, etag = live_root(ledger)
        make_sure(ledger, wanted, live, safe, progress)
        undo = f"{_REPLACED}{live.version}" if live else ""
        if live is not None:
            pin(ledger, undo, live)
        candidate = replace(
            wanted,
            version=live.version + 1 if live else next_version(ledger),
            commit_id=swap_id(ledger),
            merged=live.merged if live else (),
            segments=(),
            oldest_event="",
            checkpoint=replace(
                wanted.checkpoint,
                rebuilt=max(wanted.checkpoint.rebuilt, live.checkpoint.rebuilt if live else 0) + 1,
                gaps=live.checkpoint.gaps if live else (),
            ),
            restored=wanted.restored if name.startswith(_REPLACED) else Restored(name, undo),
        )
        if put_root(ledger, candidate, etag):
            write_description(ledger, candidate)
            publish_watched(ledger, progress)
            return candidate, undo
        if undo:
            ledger.store.delete([_key(undo)])
        back_off(ledger, tries)
    raise NotSwapped("exporters were faster every time; nothing was changed, try again")
