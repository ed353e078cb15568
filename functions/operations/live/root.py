"""The live root, read and replaced by whoever is no exporter: a swap, a restoration, a backfill, the collection."""

from ledger.csvw import DESCRIPTION_TYPE, describe
from ledger.errors import ManifestLost, NotFound, Refused, Unknown
from ledger.keys import DESCRIPTION_KEY, ROOT_COPIES, ROOT_KEY, SWAPPED_IN, version_of_copy
from ledger.ledger import Ledger
from ledger.manifest import Root, encode_root
from ledger.objects import PAGE_TYPE
from operations.live.publishing import publish_watched
from operations.progress import Progress, silent

_LOOK_SECONDS = 5.0


def live_root(ledger: Ledger) -> tuple[Root | None, str | None]:
    """Read the root and its ETag; None if there is none although there are shards."""
    try:
        return ledger.load_root()
    except ManifestLost:
        return None, None


def swap_id(ledger: Ledger) -> str:
    """Give an id for the commit of a tree that did not come of the live one.

    It may name what no root named for up to half a day (`operations.live.keep_alive`). The id says so to collection,
    which keeps the whole root for whoever reads it.
    """
    return SWAPPED_IN + ledger.new_id()


def put_root(ledger: Ledger, candidate: Root, etag: str | None) -> bool:
    """Write a root's copy, then swap the root; say whether it stands now."""
    body = encode_root(candidate)
    ledger.objects.write({}, {}, {candidate.copy_key: body})
    try:
        new_etag = ledger.store.put_if_match(ROOT_KEY, body, etag, PAGE_TYPE, {})
    except (Refused, NotFound, Unknown):
        return live_root(ledger)[0] == candidate
    ledger.remember_root(candidate, new_etag)
    return True


def next_version(ledger: Ledger) -> int:
    """Give a version above that of every root that ever was."""
    versions = (version_of_copy(listed.key) for listed in ledger.store.list(ROOT_COPIES))
    return 1 + max((version for version in versions if version is not None), default=0)


def write_description(ledger: Ledger, root: Root) -> None:
    """Make the description beside the CSV fit its columns."""
    body = describe(root.columns)
    try:
        stored = ledger.store.get(DESCRIPTION_KEY)
        if stored.body != body:
            ledger.store.put_if_match(DESCRIPTION_KEY, body, stored.etag, DESCRIPTION_TYPE, {})
    except NotFound:
        ledger.store.put_new(DESCRIPTION_KEY, body, DESCRIPTION_TYPE)


def publish_and_wait(ledger: Ledger, progress: Progress = silent) -> None:
    """Publish; where an exporter claims to, wait until it has, or its claim is nobody's any longer.

    `progress` is told how far that is.

    Raises:
        OutOfTime, Unavailable, Unknown, Damaged: as for `publish`.
    """
    merged = ledger.load_root()[0].version
    while publish_watched(ledger, progress).handed_over and _published(ledger) < merged:
        ledger.sleep(_LOOK_SECONDS)


def _published(ledger: Ledger) -> int:
    present = ledger.present_csv()
    try:
        return int(present.metadata["version"]) if present else -1
    except (KeyError, ValueError):
        return -1
