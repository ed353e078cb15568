"""Prove that the tree is what the ledger says: checks (a) and (c) of `operations.verify`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, islice

from ledger.errors import Damaged
from ledger.keys import page_key, shard_key
from ledger.ledger import Ledger
from ledger.manifest import Entry, Root, starts_page, starts_shard
from ledger.objects import Objects
from ledger.row import key_of
from ledger.store import READ_AHEAD
from operations.live.catch_up import RebuiltTree, catch_up
from operations.progress import OpenStore, Progress, silent
from operations.rebuild.destination import ScratchObjects
from operations.rebuild.plan import listed_segments
from operations.rebuild.scratch import Scratch
from operations.rebuild.tree_reader import Difference, differences
from operations.replay.local import Wishes, replay
from operations.verify.findings import ROUND_SECONDS, ROUNDS, WATCHED, Findings

Beside = Callable[[int, bytes], None]
"""Is given a shard of the rows, behind the number of bytes that all shards before it have."""


def check_tree(ledger: Ledger, root: Root, progress: Progress = silent, beside: Beside | None = None) -> Findings:
    """Check every object that a root names (a).

    Args:
        ledger: whose objects.
        root: that names them.
        progress: is told the bytes checked.
        beside: is given every shard of the rows that has its hash, in threads; so that it need not be read again.

    Raises:
        Unavailable: the store did not answer.
    """
    findings = Findings(checked={"pages": 0, "shards": 0, "rows": 0, "bytes": 0})
    total = sum(page.bytes for tree in (root.rows, root.removals) for page in tree.pages)
    objects = Objects(ledger.store, cache_bytes=0)
    for tree, also in ((root.rows, beside), (root.removals, None)):
        check = _TreeCheck(objects, root, findings, also, lambda done: progress("checking shards", done, total))
        for page in tree.pages:
            check.page(page)
    return findings


@dataclass(slots=True)
class _TreeCheck:
    """Walks one tree, page by page.

    Attributes:
        objects: that it consists of.
        root: that names it.
        findings: takes what is wrong.
        beside: as of `check_tree`.
        tell: is told the bytes checked.
        at: bytes of the shards so far, by what the pages say.
        last: key of the last line so far.
        first: whether nothing was seen yet.
    """

    objects: Objects
    root: Root
    findings: Findings
    beside: Beside | None
    tell: Callable[[int], None]
    at: int = 0
    last: bytes = b""
    first: bool = True

    def page(self, page: Entry) -> None:
        """Check a page and its shards."""
        self.findings.tally(pages=1)
        name, first = page_key(page.sha256), self.first
        self.first = False
        try:
            shards = self.objects.pages([page])[page.sha256]
        except Damaged as error:
            self._tell(str(error))
            self.at += page.bytes
            return
        sums = (sum(shard.rows for shard in shards), sum(shard.bytes for shard in shards))
        if not shards or (sums, shards[0].first) != ((page.rows, page.bytes), page.first):
            self._tell(f"{name} does not have the rows, bytes or first key that the root says")
        for index, shard in enumerate(shards):
            if starts_page(shard.first, self.root.targets) != (index == 0) and not (first and index == 0):
                self._tell(f"{name} is not cut where its shards say, at shard {index}")
        for start in range(0, len(shards), READ_AHEAD):
            for index, (shard, body) in enumerate(self._bodies(shards[start : start + READ_AHEAD]), start):
                self._shard(shard, body, first and index == 0)
            self.tell(int(self.findings.checked["bytes"]))

    def _bodies(self, shards: Sequence[Entry]) -> Iterator[tuple[Entry, bytes]]:
        """Read shards; one that is damaged is told and left out."""
        places = [*accumulate((shard.bytes for shard in shards), initial=self.at)]
        self.at = places.pop()

        def read(place: tuple[Entry, int]) -> bytes | str:
            shard, at = place
            try:
                body = self.objects.shard(shard.sha256, shard.bytes)
            except Damaged as error:
                return str(error)
            if self.beside is not None:
                self.beside(at, body)
            return body

        bodies = self.objects.store.map(read, zip(shards, places, strict=True))
        for shard, body in zip(shards, bodies, strict=True):
            if isinstance(body, str):
                self._tell(body)
            else:
                yield shard, body

    def _shard(self, shard: Entry, body: bytes, first: bool) -> None:
        """Check a shard against its page, and line by line."""
        name = shard_key(shard.sha256)
        content = body.splitlines(keepends=True)
        self.findings.tally(shards=1, rows=len(content), bytes=len(body))
        if (len(content), len(body)) != (shard.rows, shard.bytes) or not body.endswith(b"\n"):
            self._tell(f"{name} does not have the rows or bytes that its page says")
        for index, line in enumerate(content):
            try:
                key = key_of(line)
            except ValueError:
                self._tell(f"{name} has a line without a key, line {index + 1}")
                continue
            if key == self.last:
                self._tell(f"{name} has the key {key.decode()} once more, at line {index + 1}")
            elif key < self.last:
                self._tell(f"{name} is not in order at line {index + 1}")
            if index == 0 and key != shard.first:
                self._tell(f"{name} does not start with the key that its page says")
            if starts_shard(key, len(line), self.root.targets) != (index == 0) and not (first and index == 0):
                self._tell(f"{name} is not cut where its rows say, at line {index + 1}")
            self.last = key

    def _tell(self, problem: str) -> None:
        self.findings.problems.append(problem)


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
        present = differences(ledger.objects, live.rows, tree.objects, tree.root.rows, progress)
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
