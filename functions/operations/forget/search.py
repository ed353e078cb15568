"""Find every place of the export bucket where a value of an image may stand.

    place            what is found there                                       what is done to it
    replays          what replays on many machines left                        deleted, all of it
    bucket checks    what checks of the buckets left, and found: names         deleted, all of it
    journal          segments with events of the image, all of them            another segment takes its place
    failed batches   batches that Lambda gave up on, with such events          redacted in their place
    quarantine       such events                                               deleted
    waiting          changes of the image that wait for a leader               deleted: their owner commits
    table exports    data files with the item                                  deleted
    snapshots        those whose tree has a row of the image                   made again without the row
    shards           those with a row of the image, named by an old root       deleted
                     or by nobody

The journal is searched first and wholly: it says which lives the images had, and by these keys pages tell where a row
can stand. The live tree and image-data.csv have none of them (`forgetting` sees to that), roots and pages hold keys and
hashes, claims hold names. What else lies in the bucket, by its folder, or by its name in a folder that is not searched,
is not Skyledger's: it is named, and not searched.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from datetime import timedelta
from typing import Any

from ledger.errors import Damaged, NotFound
from ledger.journal import dates, journal_parts, load_record, unpack
from ledger.keys import (
    ANNOUNCED_KEY,
    BUCKET_CHECKS,
    COLLECTING_KEY,
    COPY_MANIFEST_KEY,
    CSV_KEY,
    DESCRIPTION_KEY,
    ENGINES,
    FAILED_BATCHES,
    FORGETTING_KEY,
    FORGOTTEN,
    JOURNAL,
    LAST_CHECK_KEY,
    LEADING,
    PAGE_FILES,
    PAGE_INDEX_KEY,
    PAGES,
    PENDING,
    PUBLISHING,
    QUARANTINE,
    REPLAYS,
    ROOT_COPIES,
    ROOT_KEY,
    SHARDS,
    SNAPSHOTS,
    SYMLINKS_KEY,
    TABLE_EXPORTS,
    packed_key,
    shard_key,
)
from ledger.ledger import Ledger
from ledger.lines import line_at, offset_of
from ledger.manifest import Root, decode_page, decode_root, entry_of
from ledger.objects import LARGEST_SHARD
from ledger.packing import is_packed
from ledger.packing import unpack as unpack_lines
from ledger.pending import decode
from ledger.store import Listed, read_ahead
from operations.batches import batched
from operations.bucket.distributed.step_names import RESULT
from operations.errors import Busy
from operations.forget.findings import Findings, Searched
from operations.forget.redaction import etags_of, redact
from operations.live.redrive import events_of_batch, quarantined_event
from operations.progress import Progress, silent
from operations.rebuild.statements import etags_in
from operations.rebuild.tree_reader import look_up

# A replay on many machines writes something every few minutes: what nobody has written to for so long is left over.
RUNNING = timedelta(hours=2)
_KEYS_AT_ONCE = 100  # looked up at a time: as many shards may be in memory
# Every place that the bucket has: a new one belongs among PLACES as well, if a value of an image can stand in it.
OURS = (
    *(
        ANNOUNCED_KEY,
        COLLECTING_KEY,
        CSV_KEY,
        DESCRIPTION_KEY,
        FORGETTING_KEY,
        LAST_CHECK_KEY,
        PAGE_INDEX_KEY,
        ROOT_KEY,
    ),
    *(FAILED_BATCHES, FORGOTTEN, JOURNAL, LEADING, PAGE_FILES, PAGES, PENDING, PUBLISHING, QUARANTINE, REPLAYS),
    *(BUCKET_CHECKS, ENGINES, ROOT_COPIES, SHARDS, SNAPSHOTS, TABLE_EXPORTS),
)
# Folders that are not searched, or (table exports) not wholly, and what our objects in them are called.
_UNSEARCHED = (ENGINES, FORGOTTEN, LEADING, PAGE_FILES, PUBLISHING, ROOT_COPIES, TABLE_EXPORTS)
_is_called_as_ours = re.compile(
    rf"{FORGOTTEN}\d{{4}}-[-0-9T.]*Z-[^/]*\.json|(?:{LEADING}|{PUBLISHING})[^/.]*|{ROOT_COPIES}\d+-[^/]*\.json"
    rf"|{PAGE_FILES}.*\.(?:html|css|m?js|txt|json)|{re.escape(SYMLINKS_KEY)}|{re.escape(COPY_MANIFEST_KEY)}"
    rf"|{TABLE_EXPORTS}.*(?:\.gz|/_started|/manifest-[a-z]*\.(?:json|md5))"
).fullmatch
_AFTER_ALL = "~"  # sorts after all that our keys begin with
_REMOVAL_LINE = re.compile(rb"[^,\n]*,[^,\n]*,\d+,\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n")


def search(ledger: Ledger, etags: Set[str], progress: Progress = silent) -> Findings:
    """Search all places for these images.

    Every object of the journal is read: an event may have been delivered at any time and in any number of segments.

    Raises:
        Busy: a replay on many machines is going on; it reads and writes what is to be changed.
        Damaged: an object is not readable, so that it cannot be said what it holds.
        Unavailable: the store did not answer.
    """
    findings = Findings(frozenset(etags))
    for name, find in PLACES.items():
        searched = findings.places[name] = Searched()
        for listed in find(_Reader(ledger, f"searching {name}", searched, progress), findings):
            searched.found.append(listed)
    findings.strangers = [*_strangers(ledger), *_odd_names(ledger)]
    return findings


class _Reader:
    """Reads the objects of one place, some of them ahead, and counts them."""

    def __init__(self, ledger: Ledger, step: str, searched: Searched, progress: Progress) -> None:
        self.ledger, self._step, self._searched, self._progress = ledger, step, searched, progress

    def all_of(self, prefix: str) -> list[Listed]:
        return [*self.ledger.store.list(prefix)]

    def bodies(self, listed: Sequence[Listed]) -> Iterator[tuple[Listed, bytes]]:
        """Give objects with their bytes; one that is gone by now is left out."""
        for number, (one, body) in enumerate(read_ahead(self.ledger.store, self._body, listed), 1):
            self.show(number, len(listed))
            if body is not None:
                self._searched.objects += 1
                self._searched.bytes += len(body)
                yield one, body

    def show(self, done: int, total: int) -> None:
        self._progress(self._step, done, total)

    def _body(self, listed: Listed) -> bytes | None:
        try:
            stored = self.ledger.store.get(listed.key)
        except NotFound:
            return None
        return stored.body


def _journal(reader: _Reader, findings: Findings) -> Iterator[Listed]:
    for date in [*dates(reader.ledger.store)]:
        for listed, body in reader.bodies(reader.all_of(f"{JOURNAL}{date}/")):
            if _notes(findings, (load_record(listed.key, line) for line in _lines_about(findings, listed, body))):
                yield listed


def _lines_about(findings: Findings, listed: Listed, packed: bytes) -> Iterator[bytes]:
    """Give the records that may be about one of the images."""
    wanted = findings.names
    return (line for line in unpack(listed.key, packed) if not wanted.isdisjoint(etags_in(line)))


def _notes(findings: Findings, records: Iterable[Any]) -> bool:
    """Note what records say of the images; say whether any says more than what stays of a forgotten one."""
    more = False
    for record in records:
        if etags_of(record) & findings.etags:
            findings.note(record)
            more |= redact(record, findings.etags) != [record]
    return more


def _failed_batches(reader: _Reader, findings: Findings) -> Iterator[Listed]:
    for listed, body in reader.bodies(reader.all_of(FAILED_BATCHES)):
        events = events_of_batch(body)
        if _names(body, findings) if events is None else _notes(findings, [event.record for event in events]):
            yield listed


def _quarantine(reader: _Reader, findings: Findings) -> Iterator[Listed]:
    for listed, body in reader.bodies(reader.all_of(QUARANTINE)):
        event = quarantined_event(body)
        if event is None:
            if _names(body, findings):
                yield listed
        elif etags_of(event.record) & findings.etags:
            findings.note(event.record)
            yield listed


def _waiting(reader: _Reader, findings: Findings) -> Iterator[Listed]:
    for listed, body in reader.bodies(reader.all_of(PENDING)):
        try:
            etags = {change.key.partition(b",")[2].decode() for change in decode(body).changes}
        except Damaged:
            # What cannot be unpacked cannot be searched, and only its owner, who commits, needs it.
            etags = set(findings.etags) if is_packed(body) or _names(body, findings) else set()
        if not findings.etags.isdisjoint(etags):
            yield listed


def _names(body: bytes, findings: Findings) -> bool:
    """Say whether an object that is not what it should be names one of the images."""
    return any(name in body for name in findings.names)


def _replays(reader: _Reader, findings: Findings) -> Iterator[Listed]:
    listed = reader.all_of(REPLAYS)
    newest = max((one.modified for one in listed), default=None)
    if newest is not None and reader.ledger.objects.now() - newest < RUNNING:
        raise Busy(f"a replay under {REPLAYS} was at work a moment ago: wait until it has ended, or stop it")
    return iter(listed)


def _bucket_checks(reader: _Reader, findings: Findings) -> Iterator[Listed]:
    listed = reader.all_of(BUCKET_CHECKS)
    finished = tuple(one.key.removesuffix(RESULT) for one in listed if one.key.endswith(f"/{RESULT}"))
    newest = max((one.modified for one in listed if not one.key.startswith(finished)), default=None)
    if newest is not None and reader.ledger.objects.now() - newest < RUNNING:
        raise Busy(f"a check under {BUCKET_CHECKS} was at work a moment ago: wait until it has ended, or stop it")
    yield from listed
    yield from reader.all_of(LAST_CHECK_KEY)


def _table_exports(reader: _Reader, findings: Findings) -> Iterator[Listed]:
    packed = [listed for listed in reader.all_of(TABLE_EXPORTS) if listed.key.endswith(".gz")]
    for listed, body in reader.bodies(packed):
        if listed.key.endswith(".json.gz"):
            named = {etag for line in _lines_about(findings, listed, body) for etag in etags_in(line)}
            findings.known |= {etag.decode() for etag in named & findings.names}  # by the table, if by no event
            holds = not named.isdisjoint(findings.names)
        else:  # somebody's own, in Ion or CSV
            holds = any(_names(line, findings) for line in unpack(listed.key, body))
        if holds:
            yield listed


def _snapshots(reader: _Reader, findings: Findings) -> Iterator[Listed]:
    for listed, body in reader.bodies(reader.all_of(SNAPSHOTS)):
        if any(keys_with_row(reader.ledger, decode_root(body, listed.key), findings.keys)):
            yield listed


def keys_with_row(ledger: Ledger, root: Root, keys: Sequence[bytes]) -> Iterator[bytes]:
    """Give those of these keys (in order) of which the tree of a root has a row; raises as `look_up` does."""
    return (key for some in batched(keys, _KEYS_AT_ONCE) for key in look_up(ledger.objects, root.rows, some))


def _shards(reader: _Reader, findings: Findings) -> Iterator[Listed]:
    """Read the shards that may hold a key by what any page says, and those that no page names, packed or plain."""
    named, possible = _by_pages(reader, findings.keys)
    keys = ((one, packed_key(one.key)) for one in reader.all_of(SHARDS))
    listed = [one for one, key in keys if key in possible or key not in named]
    for one, body in reader.bodies(listed):
        lines = unpack_lines(one.key, body, LARGEST_SHARD) if is_packed(body) else body
        if any(_row_of(key, lines) for key in findings.keys):
            yield one


def _by_pages(reader: _Reader, keys: Sequence[bytes]) -> tuple[set[str], set[str]]:
    """Name the shards of all pages that there are, and those that may hold one of these keys.

    A page does not say where its last shard ends: that one may hold any later key.
    """
    named: set[str] = set()
    possible: set[str] = set()
    for _, body in reader.bodies(reader.all_of(PAGES)):
        shards = decode_page(body)
        named.update(shard_key(shard.sha256) for shard in shards)
        within = {entry_of(shards, key) for key in keys if key >= shards[0].first}
        possible.update(shard_key(shards[index].sha256) for index in within)
    return named, possible


def _row_of(key: bytes, body: bytes) -> bool:
    """Say whether a shard has a row of a key; a line of the removals tree is none."""
    if not body.endswith(b"\n"):  # no shard, though it lies among them
        return key in body
    line = line_at(body, offset_of(body, key), key)
    return line is not None and not _REMOVAL_LINE.fullmatch(line)


PLACES: dict[str, Callable[[_Reader, Findings], Iterator[Listed]]] = {
    "replays": _replays,  # first, since one that is going on ends the search
    "bucket checks": _bucket_checks,  # likewise
    "journal": _journal,
    "failed batches": _failed_batches,
    "quarantine": _quarantine,
    "waiting": _waiting,
    "table exports": _table_exports,
    "snapshots": _snapshots,
    "shards": _shards,
}


def _strangers(ledger: Ledger) -> Iterator[str]:
    """Name what lies beside Skyledger's folders and objects, a folder as one; with one request for each of ours.

    Among the dates of the journal, too: who reads it goes by these.
    """
    known_dates = {f"{date}/" for date in dates(ledger.store)}
    yield from (f"{JOURNAL}{name}" for name in journal_parts(ledger.store) if name not in known_dates)
    after = ""
    while (one := next(ledger.store.list("", after=after), None)) is not None:
        known = next((name for name in OURS if _is_in(one.key, name)), "")
        folder, slash, _ = one.key.partition("/")
        name = known or folder + slash
        after = max(one.key, name + _AFTER_ALL if name.endswith("/") else name)
        if not known:
            yield name


def _odd_names(ledger: Ledger) -> Iterator[str]:
    """Name what lies in a folder of ours that is not searched, and is not called as ours: somebody's copy, perhaps."""
    for folder in _UNSEARCHED:
        yield from (
            one.key for one in ledger.store.list(folder) if one.key != folder and not _is_called_as_ours(one.key)
        )


def _is_in(key: str, name: str) -> bool:
    return key.startswith(name) if name.endswith("/") else key == name
