"""Make image-data.csv equal to the root's tree.

1. Read the root, and at the same time the present CSV's metadata: it names the tree that it shows and the root that it
   was made from. If it names a newer version than the root, read the root again. After a commit that met nobody a
   small CSV is published without this step: what the commit read and wrote is known.
2. It shows the root's tree: done.
3. A small CSV is put whole, under If-Match on the ETag that was read (If-None-Match where there is none).
4. A large one is made by a multipart upload of unchanged ranges of the present CSV, copied inside S3 and pinned to its
   ETag, and of the bytes that changed (`layout`); it is completed under the same If-Match. Readers see a whole old or
   a whole new file. If there is no usable present CSV, all bytes come from the shards.
5. Refused: somebody else published meanwhile, go to 1. Unknown: likewise; if it was ours, 2 ends it.
6. Look at the root once more: an ETag follows content, so If-Match alone cannot tell that A-B-A is not A. It is the
   same: done. Another: go to 1.

A large CSV takes S3 seconds to minutes to copy, and no commit waits for that: an exporter hands it over to a function
of its own, CsvPublisher, which has one copy in flight and begins the next when it ends (`keep_current`). So does an
exporter that meets others, whose CSV may be small. Whose turn it is, says the claim on the present CSV, P (`claim`).
E is an exporter that has committed, K a publisher:

    who   sees                                        does
    E     P, read after its commit, shows the root    is done
    E     P claimed by somebody who may live          leaves
    E     P not claimed                               claims P, and reads the CSV in the same moment. Still P: calls K
                                                      with claim and id. Another: gives the claim back, looks again
    E     P claimed with its own id: it died before   calls K again, also if P shows the root by now. The id is a
          or after the call, the batch comes again    digest of the batch's first record (half a batch has it, too),
                                                      and the batch comes again until it is acknowledged
    E     the call fails, or its answer is lost       gives the claim back; its batch, which is committed, is
                                                      acknowledged, and the CSV left to the next commit or the schedule
    K     P, claimed with the id that it came with    copies, completes: P is replaced; gives the claim back, looks
    K     the root is newer than P, P not claimed     claims P with the same id, looks again, and copies if it is P yet
    K     P claimed by somebody else who may live     ends. So is, once K has copied, who has its id: another run of the
                                                      same call
    K     P shows the root, the claim on P is K's     gives the claim back and looks again: E may have left in between
    K     P shows the root, no claim                  ends
    K     too little time for one more like the last  gives the claim back and ends; the next commit or the schedule
                                                      calls again. It never calls itself: Lambda stops such loops
    K     the day's money allows no copy yet (`pace`)  waits for up to a minute, looks again; otherwise ends
    K     exporters combine, and it has copied just   rests for a part of the time that copying takes (`pace`), looks
          before                                      again
    K     an error, also in giving the claim back     gives the claim back, and fails: Lambda calls again with the same
                                                      claim and id, a minute later, and two minutes after that
    K     comes again: it died, or was called twice   takes up whatever claim has its id, and goes on
    who-  the claim on P is older than an invocation  has it by deleting that very claim and making a new one (If-Match,
    ever                                              If-None-Match: one wins)
    the schedule, each minute                         calls a K that has an id of its own and no claim
    an operator's command                             claims nothing: leaves if P is claimed, and else publishes by
                                                      itself: only who is called again may be relied upon

Whoever leaves has read P after its commit, and the claim on P after that. Its holder has it until P is replaced, or
gives it back, and in either case looks at the root afterwards, and so finds that commit. So
- the last version is always published. With no fault at once; with one, within a minute and the copy: K died or failed
  (Lambda calls again after a minute), the call was lost, or K had no time left (the schedule), E died (its batch comes
  again). The worst case is a claim whose holder never comes again: K died three times, or E was one of two runs of a
  batch, died between claim and call, and the other one was acknowledged. It takes two faults at least, and ends when
  the claim is as old as an invocation can be, with the schedule;
- there is one copy in flight, and for a moment one more for each operator's command, each call that Lambda doubles, and
  each claim that outlived its holder: whoever is refused ends if the other goes on. If-Match holds all the same.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ledger.age import seconds_since
from ledger.assemble import Moved, assemble, put, size_of
from ledger.claim import Claim, claim_key
from ledger.commit import Report
from ledger.errors import NotCalled, NotFound, OutOfTime, Refused, Unavailable, Unknown
from ledger.ledger import Ledger, TimeLeft, no_limit
from ledger.manifest import Root
from ledger.pace import MOST_WAIT_SECONDS, due_in, rest
from ledger.store import PATIENCE_SECONDS, Stored

# Up to this size one put is cheaper than a multipart upload, whose parts have 5 MiB at least.
PUT_BELOW = 8 << 20
MAX_TRIES = 12
RESERVE_SECONDS = 4.0

# Calls the function that publishes, without waiting for it: with the key of a claim, and the id that it was made with.
# Raises Unavailable, Unknown.
CallPublisher = Callable[[str, str], None]


@dataclass(slots=True, kw_only=True)
class Published(Moved):
    """What a publish did; the bytes are those of all its attempts.

    Attributes:
        version: of the root that image-data.csv shows now, or will show when whoever it was left to is done.
        written: whether this call wrote it.
        handed_over: whether somebody else is bound to see to it.
        tries: looks at the root before the last.
        age: seconds from the oldest event of the first commit that the CSV had not shown until it showed it; None if
            this call did not write it, or that time is not known.
    """

    version: int = 0
    written: bool = False
    handed_over: bool = False
    tries: int = 0
    age: float | None = None


def ignore(published: Published) -> None:
    """Do nothing with what was published."""


def publish(
    ledger: Ledger, time_left: TimeLeft = no_limit, report: Report | None = None, call: CallPublisher | None = None
) -> Published:
    """Make image-data.csv equal to the root's tree, or leave it to a publisher that is bound to.

    Args:
        ledger: whose.
        time_left: gives the seconds left of the invocation, or None where there is no limit.
        report: of the commit that this follows; without one, whatever is behind is published, whoever committed it.
        call: calls the function that publishes what takes long; without one, that is done here.

    Raises:
        NotCalled: nobody is known to see to it before the next commit or the schedule.
        OutOfTime: other publishers won until the time was up, or it does not suffice.
        Unavailable, Unknown, Damaged: as for `commit`.
    """
    publisher, known = _Publisher(ledger, time_left), _known(ledger, report)
    published = publisher.published
    for published.tries in range(MAX_TRIES):
        if not publisher.has_time():
            break
        root, present = known or publisher.look()
        known = None
        if publisher.is_settled(root, present):
            if call is not None:
                _call_again(Claim(ledger, _id_of(ledger, report)), present, call)
            return published
        if size_of(root) > PUT_BELOW or ledger.contended:
            if call is not None:
                _hand_over(publisher, Claim(ledger, _id_of(ledger, report)), call)
                return published
            if Claim(ledger).is_others(claim_key(present)):
                published.handed_over = True
                return published
        if publisher.write(root, present) and ledger.load_root()[0] == root:
            published.tries += 1
            return published
    raise OutOfTime(f"image-data.csv is behind version {published.version}")


def keep_current(
    ledger: Ledger,
    time_left: TimeLeft = no_limit,
    claim: str = "",
    id: str = "",  # noqa: A002
    published: Callable[[Published], None] = ignore,
) -> None:
    """Publish one version after another, until there is no newer one, somebody else sees to it, or the time is up.

    Args:
        ledger: whose.
        time_left: as for `publish`.
        claim: key of the claim that the caller made; "" if none.
        id: that it was made with; a call that comes again comes with the same.
        published: is told of each publish that wrote.

    Raises:
        OutOfTime: other publishers always won.
        Unavailable, Unknown, Damaged: as for `publish`.
    """
    own = Claim(ledger, id or ledger.new_id(), ledger.new_id())
    try:
        if claim:
            own.take_up(claim)
        _publish_on(_Publisher(ledger, time_left), own, published)
        own.release()
    except BaseException:
        own.abandon()
        raise


def _publish_on(publisher: "_Publisher", own: Claim, published: Callable[[Published], None]) -> None:
    """Go through the steps of a publisher that is called for this."""
    ledger = publisher.ledger
    while publisher.published.tries < MAX_TRIES:
        root, present = publisher.look()
        if publisher.is_settled(root, present):
            if not own.held:
                own.take_up(claim_key(present))  # of a run that died: nobody else knows that it did
            if not own.held:
                return
            own.release()  # until now somebody may have relied on it: look once more
            continue
        if not publisher.has_time():
            return
        if own.held != claim_key(present):
            own.abandon()
            if not own.take(claim_key(present)):
                return
            continue  # the CSV may have been replaced before it was claimed
        wait = max(due_in(size_of(root), present, ledger.now()), publisher.apart(root))
        if wait > MOST_WAIT_SECONDS or not publisher.has_time(wait):
            return
        if wait:
            ledger.sleep(wait)
            continue
        publisher.published.tries += 1
        written, own.has_published = publisher.write(root, present), True
        if written:
            own.abandon()
            published(publisher.published)
            publisher.published = Published()
    raise OutOfTime(f"image-data.csv is behind version {publisher.published.version}")


def _hand_over(publisher: "_Publisher", own: Claim, call: CallPublisher) -> None:
    """See to it that somebody publishes: who has claimed to, or whoever is called for a claim of our own."""
    ledger = publisher.ledger
    for _ in range(MAX_TRIES):
        root, present = publisher.look()  # a CSV that was read before the commit tells nothing of its claim
        if publisher.is_settled(root, present):
            return
        publisher.published.handed_over = True
        key = claim_key(present)
        if due_in(size_of(root), present, ledger.now()) > MOST_WAIT_SECONDS or own.is_others(key):
            return
        is_own, present = ledger.together(lambda key=key: own.take(key), ledger.present_csv)  # type: ignore[misc]
        if claim_key(present) == key:
            if is_own:
                _call(own, call)
            return
        own.abandon()
    raise NotCalled("image-data.csv was always another one")


def _call_again(own: Claim, present: Stored | None, call: CallPublisher) -> None:
    """Call for a claim of our own on a CSV that has become current: from a delivery of this batch that died."""
    own.take_up(claim_key(present))
    if own.held:
        _call(own, call)


def _call(own: Claim, call: CallPublisher) -> None:
    try:
        call(own.held, own.holder)
    except (Unavailable, Unknown) as error:
        own.abandon()
        raise NotCalled(f"the publisher: {error}") from error


class _Publisher:
    """Who writes the CSV, and what it knows of itself."""

    def __init__(self, ledger: Ledger, time_left: TimeLeft) -> None:
        self.ledger, self.published = ledger, Published()
        self._time_left = time_left
        self._took = 0.0  # seconds of the last large CSV
        self._began = float("-inf")  # when the last publish did

    def look(self) -> tuple[Root, Stored | None]:
        """Read the root, and of the present CSV all but the bytes."""
        root_and_etag, present = self.ledger.together(self.ledger.load_root, self.ledger.present_csv)
        root = root_and_etag[0]
        if _is_newer(present, root):
            root, _ = self.ledger.load_root()  # published while we read: only a later read says what it must show
        return root, present

    def is_settled(self, root: Root, present: Stored | None) -> bool:
        """Say whether the CSV shows the root."""
        self.published.version = root.version
        return present is not None and present.metadata.get("tree") == root.tree_hash and size_of(root) == present.size

    def has_time(self, wait: float = 0.0) -> bool:
        """Say whether there is time for one more publish like the last, after so many seconds."""
        left = self._time_left()
        return left is None or left >= wait + RESERVE_SECONDS + 1.5 * self._took

    def apart(self, root: Root) -> float:
        """Say in how many seconds the next publish may begin if many commit at the same time; 0: now."""
        if len(root.segments) < 2:
            return 0.0
        return max(0.0, self._began + rest(size_of(root)) - self.ledger.monotonic())

    def write(self, root: Root, present: Stored | None) -> bool:
        """Write the CSV once, and say whether that is known; a refusal or lost answer is no error: the next look tells.

        Whoever replaces what was written looks at the root later, too: so the root alone says whether that is all.
        """
        ledger = self.ledger
        self._began = ledger.monotonic()
        try:
            if size_of(root) <= PUT_BELOW:
                put(ledger, root, present, self.published)
            else:
                assemble(ledger, root, present, self.published, self._patience)
                self._took = ledger.monotonic() - self._began
            self.published.written = True
            self.published.age = seconds_since(ledger, self.published.oldest_event)
        except (Refused, Unknown, NotFound):
            ledger.sleep(0.05 * 2 ** min(self.published.tries, 4) * ledger.chance())
        except Unavailable:
            if self.has_time():
                raise
        else:
            return True
        return False

    def _patience(self) -> float:
        """Say how many seconds S3 may take for copies."""
        left = self._time_left()
        return PATIENCE_SECONDS if left is None else min(PATIENCE_SECONDS, left - RESERVE_SECONDS)


def _known(ledger: Ledger, report: Report | None) -> tuple[Root, Stored | None] | None:
    """Give what the commit knows of root and CSV, if it met nobody and they are not of two moments."""
    if report is None or report.conflicts or ledger.contended or _is_newer(report.present, report.root):
        return None
    return report.root, report.present


def _id_of(ledger: Ledger, report: Report | None) -> str:
    """Give an id that is the same when the batch comes again."""
    return (report and report.first_record) or ledger.new_id()


def _is_newer(present: Stored | None, root: Root) -> bool:
    """Say whether the CSV was made from a newer root: then the root was read too early to be published over it."""
    try:
        return present is not None and int(present.metadata["version"]) > root.version
    except (KeyError, ValueError):
        return False  # not written by a publisher
