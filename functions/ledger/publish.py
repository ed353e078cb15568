"""Make image-data.csv equal to the root's tree.

1. Read the root, and at the same time the present CSV's metadata: it names the tree that it shows and the root that it
   was made from. If it names a newer version than the root, read the root again. After a commit that met nobody this
   step is skipped: what the commit read and wrote is known.
2. It shows the root's tree: done.
3. A small CSV is put whole, under If-Match on the ETag that was read (If-None-Match where there is none).
4. A large one is made by a multipart upload of unchanged ranges of the present CSV, copied inside S3 and pinned to its
   ETag, and of the bytes that changed (`layout`); it is completed under the same If-Match. Readers see a whole old or
   a whole new file. If there is no usable present CSV, all bytes come from the shards.
5. Refused: somebody else published meanwhile, go to 1. Unknown: likewise; if it was ours, 2 ends it.
6. Look at the root once more: an ETag follows content, so If-Match alone cannot tell that A-B-A is not A. It is the
   same: done. Another: go to 1.

Pace: a large CSV may take longer to publish than the next commit to come, and under contention so may a small one. So
that copies do not pile up, a publisher then first claims the present CSV, P: `publishing/<root that P names>`,
create-only, and in the same moment does step 1. Who (K has the claim), sees what, and does what:

    K        P is still the CSV                       copies, completes: P is replaced; deletes the claim, goes to 1
    K        the CSV shows the root                   is done
    K        the root is newer, and changes wait      leaves: they will be committed after this look, and whoever they
             (`pending/`) that it does not hold       belong to publishes, or leaves it to a later claim
    K        the root is newer, nothing waits         waits a moment, in which the author of the newer commit may claim;
                                                      claims again
    K        fails, or dies                           its batch is delivered again and takes up the claim, which carries
                                                      the batch's first sequence number
    others   P claimed; P read after their own        leave: K replaces P only later, and its look at the root (step 6),
             commit                                   later still, finds that commit
    K        too little time is left                  abandons the upload, deletes the claim, and reports `OutOfTime`:
                                                      the exporter's schedule is bound to publish (`handler`), and the
                                                      batch, which is committed, is acknowledged
    others   a claim older than an invocation         take it over: nobody lives that long
    who is   anything                                 claims nothing and leads nobody: only a batch that is delivered
    not redelivered (an operator's command)           again is relied upon

An exporter whose changes a leader committed (`combine`) publishes like any other. So
- the last version is always published in the end: whoever's changes a commit holds saw it published, or left it to one
  who sees to it later, or its batch comes again. One case remains: Lambda ran a batch twice, the one was done, the
  other claimed P and died. The exporter's schedule publishes what is behind then, and no commit is needed for it;
- there is one copy in flight, and one more for each operator's command and each claim that outlived its claimer.
  If-Match holds all the same.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from ledger.age import oldest_unshown, seconds_since
from ledger.assemble import Moved, assemble, put, size_of
from ledger.commit import Report
from ledger.errors import NotFound, OutOfTime, Refused, Unavailable, Unknown
from ledger.keys import pending_key, publishing_key
from ledger.ledger import Ledger, TimeLeft, no_limit
from ledger.limits import INVOCATION_SECONDS
from ledger.manifest import Root
from ledger.pending import list_waiting
from ledger.store import PATIENCE_SECONDS, Stored

# Up to this size one put is cheaper than a multipart upload, whose parts have 5 MiB at least.
PUT_BELOW = 8 << 20
MAX_TRIES = 12
RESERVE_SECONDS = 4.0
# Whose changes wait for less than this is taken to be alive: it looks at the root ten times a second.
ALIVE = timedelta(seconds=5)
# Longest wait before one more publish for commits that came meanwhile, whose authors left; jittered.
HAND_OVER_SECONDS = 1.0

_ROOT_NAME = re.compile(r"\d+-[0-9A-Za-z]+", re.ASCII)


@dataclass(slots=True, kw_only=True)
class Published(Moved):
    """What a publish did; the bytes are those of all its attempts.

    Attributes:
        version: of the root that image-data.csv shows now, or will show when whoever it was left to is done.
        written: whether this call wrote it.
        handed_over: whether another exporter is bound to see to it.
        tries: looks at the root before the last.
        age: seconds from the oldest event of the first commit that the CSV had not shown until it showed it; None if
            this call did not write it, or that time is not known.
    """

    version: int = 0
    written: bool = False
    handed_over: bool = False
    tries: int = 0
    age: float | None = None


def publish(ledger: Ledger, time_left: TimeLeft = no_limit, report: Report | None = None) -> Published:
    """Make image-data.csv equal to the root's tree, or leave it to an exporter that is bound to.

    Args:
        ledger: whose.
        time_left: gives the seconds left of the invocation, or None where there is no limit.
        report: of the commit that this follows; without one, whatever is behind is published, whoever committed it.

    Raises:
        OutOfTime: other publishers won until the time was up, or it does not suffice.
        Unavailable, Unknown, Damaged: as for `commit`.
    """
    publisher = _Publisher(ledger, time_left, report)
    try:
        return publisher.run()
    finally:
        publisher.release()


class _Publisher:
    """One call of `publish`."""

    def __init__(self, ledger: Ledger, time_left: TimeLeft, report: Report | None) -> None:
        self.published = Published()
        self._ledger, self._time_left = ledger, time_left
        self._redelivered = report is not None and report.redelivered
        self._seen = _seen(ledger, report)
        number = report.segment.rpartition("/")[2].partition("-")[0] if report else ""
        self._name = (number if number.isdigit() else ledger.new_id()).encode()
        self._held = ""  # key of the claim
        self._took = 0.0  # seconds of the last large CSV

    def run(self) -> Published:
        """Go through the steps until the CSV shows the root, or somebody else is bound to see to it."""
        ledger, look = self._ledger, self._seen
        for self.published.tries in range(MAX_TRIES):
            if not self._has_time():
                break
            root, present = look or self._look()
            look = None
            if self._is_settled(root, present):
                return self.published
            if size_of(root) > PUT_BELOW or ledger.contended:
                if self._took:
                    if self._others_come(root):
                        self.published.handed_over = True
                        return self.published
                    ledger.sleep(HAND_OVER_SECONDS * ledger.chance())
                is_free, (root, present) = self._claim(present)
                if self.published.handed_over or self._is_settled(root, present):
                    return self.published
                if not is_free:
                    look = (root, present)
                    continue
            if self._write(root, present) and ledger.load_root()[0] == root:
                self.published.tries += 1
                return self.published
        raise OutOfTime(f"image-data.csv is behind version {self.published.version}")

    def release(self) -> None:
        """Delete the own claim, if any; what cannot be deleted is nobody's before long."""
        if self._held:
            with suppress(Unavailable):
                self._ledger.store.delete([self._held])
            self._held = ""

    def _has_time(self) -> bool:
        left = self._time_left()
        return left is None or left >= RESERVE_SECONDS + 1.5 * self._took

    def _patience(self) -> float:
        """Say how many seconds S3 may take for copies."""
        left = self._time_left()
        return PATIENCE_SECONDS if left is None else min(PATIENCE_SECONDS, left - RESERVE_SECONDS)

    def _look(self) -> tuple[Root, Stored | None]:
        root_and_etag, present = self._ledger.together(self._ledger.load_root, self._ledger.present_csv)
        root = root_and_etag[0]
        if _is_newer(present, root):
            root, _ = self._ledger.load_root()  # published while we read: only a later read says what it must show
        return root, present

    def _is_settled(self, root: Root, present: Stored | None) -> bool:
        self.published.version = root.version
        return present is not None and present.metadata.get("tree") == root.tree_hash and size_of(root) == present.size

    def _claim(self, present: Stored | None) -> tuple[bool, tuple[Root, Stored | None]]:
        """Claim the present CSV, and look again in the same moment.

        Returns:
            Whether to write it, and the look. Not if somebody else claims it (the publish is handed over then), or if
            the CSV is another by now.
        """
        key = _claim_key(present)
        claimed, look = self._ledger.together(lambda: self._put_claim(key), self._look)
        if claimed:
            self._held = key
        if _claim_key(look[1]) != key:
            self.release()
            return False, look
        return claimed or self._may_take(key), look

    def _put_claim(self, key: str) -> bool:
        return self._redelivered and self._ledger.store.put_new(key, self._name, "text/plain; charset=utf-8")

    def _may_take(self, key: str) -> bool:
        """Say whether a claim that is there is ours or nobody's; otherwise leave, unless it is gone by now."""
        try:
            claim = self._ledger.store.get(key)
        except NotFound:
            return not self._redelivered
        age = self._ledger.now() - claim.modified.timestamp() if claim.modified else 0.0
        if claim.body == self._name or age >= INVOCATION_SECONDS:
            self._held = key
            return True
        self.published.handed_over = True
        return False

    def _others_come(self, root: Root) -> bool:
        """Say whether changes wait that this root, which was read before, does not hold: their owners will publish."""
        ledger = self._ledger
        if not (self._redelivered and ledger.contended):
            return False
        now, held = ledger.objects.now(), set(map(pending_key, (*root.merged, *root.segments)))
        return any(one.key not in held and one.modified > now - ALIVE for one in list_waiting(ledger.store, now))

    def _write(self, root: Root, present: Stored | None) -> bool:
        """Write the CSV once, and say whether that is known; a refusal or lost answer is no error: the next look tells.

        Whoever replaces what was written looks at the root later, too: so the root alone says whether that is all.
        """
        ledger = self._ledger
        started, written = ledger.monotonic(), False
        oldest = oldest_unshown(ledger, root, present)
        try:
            if size_of(root) <= PUT_BELOW:
                put(ledger, root, present, self.published)
            else:
                assemble(ledger, root, present, self.published, self._patience)
                self._took = ledger.monotonic() - started
            self.published.written = written = True
            self.published.age = seconds_since(ledger, oldest)
        except (Refused, Unknown, NotFound):
            ledger.sleep(0.05 * 2 ** min(self.published.tries, 4) * ledger.chance())
        except Unavailable:
            if self._has_time():
                raise
        self.release()
        return written


def _seen(ledger: Ledger, report: Report | None) -> tuple[Root, Stored | None] | None:
    """Give what the commit knows of root and CSV, if it met nobody and they are not of two moments."""
    if report is None or report.conflicts or ledger.contended or _is_newer(report.present, report.root):
        return None
    return report.root, report.present


def _claim_key(present: Stored | None) -> str:
    if present is None:
        return publishing_key("none")
    name = present.metadata.get("root", "")
    return publishing_key(name if _ROOT_NAME.fullmatch(name) else present.etag)


def _is_newer(present: Stored | None, root: Root) -> bool:
    """Say whether the CSV was made from a newer root: then the root was read too early to be published over it."""
    try:
        return present is not None and int(present.metadata["version"]) > root.version
    except (KeyError, ValueError):
        return False  # not written by a publisher
