"""Prove that the ledger is what it says: checks (a) to (c) of `operations.verify`."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice

from ledger.errors import Damaged, NotFound, Refused
from ledger.keys import CSV_KEY, page_key, shard_key
from ledger.ledger import Ledger
from ledger.manifest import Entry, Root, starts_page, starts_shard
from ledger.objects import Objects
from ledger.row import header, key_of
from ledger.store import READ_AHEAD, Stored
from operations.live.catch_up import RebuiltTree, catch_up
from operations.progress import OpenStore, Progress, silent
from operations.rebuild.destination import ScratchObjects
from operations.rebuild.plan import listed_segments
from operations.rebuild.scratch import Scratch
from operations.rebuild.tree_reader import Difference, compare_lines, differences, lines, shards_of, whole_csv
from operations.replay.local import Wishes, replay
from operations.verify.findings import LISTED, ROUND_SECONDS, ROUNDS, WATCHED, Findings

_CSV_BLOCK = 4 << 20
_CSV_TRIES = 5  # a publisher may replace the CSV while it is read


def check_tree(ledger: Ledger, root: Root, progress: Progress = silent) -> Findings:
    """Check every object that a root names (a).

    Raises:
        Unavailable: the store did not answer.
    """
    findings = Findings(checked={"pages": 0, "shards": 0, "rows": 0, "bytes": 0})
    total = sum(page.bytes for tree in (root.rows, root.removals) for page in tree.pages)
    objects = Objects(ledger.store, cache_bytes=0)
    for tree in (root.rows, root.removals):
        before = b""
        for number, page in enumerate(tree.pages):
            before = _check_page(objects, root, page, number == 0, before, findings)
            progress("checking shards", int(findings.checked["bytes"]), total)
    return findings


def _check_page(objects: Objects, root: Root, page: Entry, first: bool, before: bytes, findings: Findings) -> bytes:
    """Check a page and its shards; give the last key in it."""
    findings.tally(pages=1)
    name = page_key(page.sha256)
    try:
        shards = objects.pages([page])[page.sha256]
    except Damaged as error:
        findings.problems.append(str(error))
        return before
    sums = (sum(shard.rows for shard in shards), sum(shard.bytes for shard in shards))
    if not shards or (sums, shards[0].first) != ((page.rows, page.bytes), page.first):
        findings.problems.append(f"{name} does not have the rows, bytes or first key that the root says")
    for index, shard in enumerate(shards):
        if starts_page(shard.first, root.targets) != (index == 0) and not (first and index == 0):
            findings.problems.append(f"{name} is not cut where its shards say, at shard {index}")
    for start in range(0, len(shards), READ_AHEAD):
        part = shards[start : start + READ_AHEAD]
        for index, (shard, body) in enumerate(_bodies(objects, part, findings), start):
            before = _check_shard(root, shard, body, first and index == 0, before, findings)
    return before


def _bodies(objects: Objects, shards: Sequence[Entry], findings: Findings) -> Iterator[tuple[Entry, bytes]]:
    """Read shards; one that is damaged is told and left out."""

    def read(shard: Entry) -> bytes | str:
        try:
            return objects.shard(shard.sha256, shard.bytes)
        except Damaged as error:
            return str(error)

    for shard, body in zip(shards, objects.store.map(read, shards), strict=True):
        if isinstance(body, str):
            findings.problems.append(body)
        else:
            yield shard, body


def _check_shard(root: Root, shard: Entry, body: bytes, first: bool, before: bytes, findings: Findings) -> bytes:
    """Check a shard against its page, and line by line; give its last key."""
    name = shard_key(shard.sha256)
    content = body.splitlines(keepends=True)
    findings.tally(shards=1, rows=len(content), bytes=len(body))
    if (len(content), len(body)) != (shard.rows, shard.bytes) or not body.endswith(b"\n"):
        findings.problems.append(f"{name} does not have the rows or bytes that its page says")
    for index, line in enumerate(content):
        try:
            key = key_of(line)
        except ValueError:
            findings.problems.append(f"{name} has a line without a key, line {index + 1}")
            continue
        if key == before:
            findings.problems.append(f"{name} has the key {key.decode()} once more, at line {index + 1}")
        elif key < before:
            findings.problems.append(f"{name} is not in order at line {index + 1}")
        if index == 0 and key != shard.first:
            findings.problems.append(f"{name} does not start with the key that its page says")
        if starts_shard(key, len(line), root.targets) != (index == 0) and not (first and index == 0):
            findings.problems.append(f"{name} is not cut where its rows say, at line {index + 1}")
        before = key
    return before


def check_csv(ledger: Ledger, progress: Progress = silent) -> Findings:
    """Check that image-data.csv is header and rows of the root that it names (b).

    An ETag that is the MD5 of these bytes proves them. Any other proves nothing: that of an upload in parts, or of an
    object under SSE-KMS or SSE-C, which has as many digits, is none (S3 API reference, "Object"). Then all is read.

    Raises:
        Unavailable, Damaged: the store did not answer, or the tree itself is not whole.
    """
    for _ in range(_CSV_TRIES):
        findings = Findings(("tree", "csv"))
        try:
            stored = ledger.store.head(CSV_KEY)
            root = _published_root(ledger, stored)
            if root is None:
                findings.problems.append(f"{CSV_KEY} does not name a root that is still kept; a publish makes it anew")
                return findings
            findings.checked = {"version": root.version, "bytes": stored.size, "rows": root.rows.rows}
            if not _same_bytes(ledger, root, stored, progress):
                rows = lines(ledger.objects, shards_of(ledger.objects, root.rows.pages))
                findings.add(compare_lines(rows, _csv_lines(ledger, stored, findings)))
                if findings.good:
                    findings.problems.append(
                        f"{CSV_KEY} differs from the tree, but not in its rows: in header or order"
                    )
        except NotFound:
            findings.problems.append(f"there is no {CSV_KEY}")
        except Refused:
            continue  # another version was published meanwhile
        return findings
    raise Refused(f"{CSV_KEY} was replaced {_CSV_TRIES} times while it was read: try again")


def _published_root(ledger: Ledger, stored: Stored) -> Root | None:
    """Find the root that the CSV names; None if it is not kept any longer."""
    live, _ = ledger.load_root()
    if stored.metadata.get("tree") == live.tree_hash:
        return live
    try:
        return ledger.load_copy(stored.metadata.get("root", ""))
    except (NotFound, Damaged):
        return None


def _same_bytes(ledger: Ledger, root: Root, stored: Stored, progress: Progress) -> bool:
    """Say whether the CSV has the tree's bytes."""
    total = len(header(root.columns)) + root.rows.bytes
    if stored.size != total:
        return False
    objects = Objects(ledger.store, cache_bytes=0)
    if "-" not in stored.etag:  # put whole, by a publisher at most some MB
        whole = hashlib.md5(usedforsecurity=False)
        for piece in whole_csv(objects, root):
            whole.update(piece)
        if whole.hexdigest() == stored.etag:
            return True
    offset = 0
    for piece in whole_csv(objects, root):
        last = offset + len(piece) - 1
        if ledger.store.get_range(CSV_KEY, offset, last, etag=stored.etag) != piece:
            return False
        offset = last + 1
        progress("comparing the CSV", offset, total)
    return True


def _csv_lines(ledger: Ledger, stored: Stored, findings: Findings) -> Iterator[bytes]:
    """Read the rows of the CSV, block by block; a line that is no row is told and left out."""
    rest, number = b"", 0
    for first in range(0, stored.size, _CSV_BLOCK):
        last = min(first + _CSV_BLOCK, stored.size) - 1
        block = rest + ledger.store.get_range(CSV_KEY, first, last, etag=stored.etag)
        *whole, rest = block.split(b"\n")
        if last == stored.size - 1 and rest:
            whole.append(rest)
        for line in whole:
            number += 1
            if number == 1:
                continue
            try:
                key_of(line + b"\n")
            except ValueError:
                if len(findings.problems) < LISTED:
                    findings.problems.append(f"{CSV_KEY} has a line that is no row, line {number}")
                continue
            yield line + b"\n"


def compare_with_journal(
    ledger: Ledger,
    scratch: Scratch,
    *,
    open_store: OpenStore | None = None,
    processes: int = 1,
    progress: Progress = silent,
    report: Callable[[str], None] = lambda line: None,
) -> Findings:
    """Check that the live tree is what the journal gives (c), also while exporters run.

    The rebuilt tree is caught up with the live one as a swap would do it. What is journaled but not merged yet differs
    for a moment; so what differs is looked at again some seconds later, and only what stays the same is told.

    Args:
        ledger: whose tree and journal.
        scratch: takes the rebuilt tree; cleared before and after.
        open_store: as for `replay`.
        processes: as for `replay`.
        progress: as for `replay`.
        report: is told, in a line, what goes on.

    Raises:
        Damaged: a segment or an object of the tree is not readable.
        Unavailable: the store did not answer.
    """
    live, _ = ledger.load_root()
    wishes = Wishes(columns=live.columns, targets=live.targets, keep="scratch")
    rebuild = replay(
        ledger, scratch, wishes, open_store=open_store, processes=processes, progress=progress, report=report
    )
    objects = Objects(ScratchObjects(scratch, ledger.store))  # type: ignore[arg-type]
    tree = RebuiltTree(rebuild.root, objects, partial(listed_segments, scratch, rebuild.plan))
    staying: dict[bytes, Difference] | None = None
    for number in range(ROUNDS):
        if number:
            ledger.sleep(ROUND_SECONDS)
        live, _ = ledger.load_root()
        catch_up(ledger, tree, live, report)
        present = differences(ledger.objects, live.rows, tree.objects, tree.root.rows)
        now = {difference.key: difference for difference in islice(present, WATCHED)}
        staying = now if staying is None else {key: one for key, one in staying.items() if now.get(key) == one}
        if not staying:
            break
        report(f"{len(staying):,} differences, looking again whether they are only on their way")
    findings = Findings(("tree", "journal"))
    findings.checked = {
        "version": live.version,
        "segments": rebuild.plan.segments + tree.caught_up,
        "events": rebuild.journal.events,
        "quarantined": rebuild.journal.quarantined,
        "tree": live.tree_hash,
        "journal": tree.root.tree_hash,
    }
    findings.add(iter((staying or {}).values()))
    scratch.clear()
    return findings
