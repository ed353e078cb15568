"""Who publishes a large CSV, line by line of the table in `ledger.publish`: one copy in flight, and none is missing."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from typing import Any
from unittest import mock

import pytest

from infra.doubles import memory_store
from infra.doubles.memory_store import MemoryStore
from ledger import layout
from ledger.claim import Claim, claim_key, may_live
from ledger.commit import commit
from ledger.errors import NotCalled, OutOfTime, Refused, Unavailable, Unknown
from ledger.event import read_event
from ledger.journal import segment_of
from ledger.keys import CSV_KEY, ROOT_KEY
from ledger.ledger import Ledger, no_limit
from ledger.limits import INVOCATION_SECONDS
from ledger.publish import Published, keep_current, publish
from ledger.store import Stored
from tests.support.clock import Clock
from tests.support.factories import insert, item, make_ledger, model_csv
from tests.support.reader import read_csv, read_root, read_rows
from tests.support.store_calls import WatchedStore, first, land_and_lose, refuse

publishing = import_module("ledger.publish")  # the module: the package gives the function

ROWS = 150  # far above PUT_BELOW in the small limits below
CLAIMS = "publishing/"
# Ids of batches that begin so.
FIRST, FIRST_OF_ALL = (segment_of([read_event(insert(number))]).first_record for number in (2000, 0))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> Iterator[MemoryStore]:
    """A bucket with a published CSV of many parts, under S3's limits in small."""
    with (
        mock.patch.object(memory_store, "SMALLEST_PART", 2000),
        mock.patch.object(layout, "SMALLEST_PART", 2000),
        mock.patch.object(layout, "UPLOAD_PART", 3000),
        mock.patch.object(publishing, "PUT_BELOW", 4000),
    ):
        made = MemoryStore(clock)
        start = make_ledger(made)
        publish(start, report=commit(start, [insert(number) for number in range(ROWS)]))
        yield made


@pytest.fixture
def watched(store: MemoryStore) -> WatchedStore:
    return WatchedStore(store)


@pytest.fixture
def exporter(watched: WatchedStore, clock: Clock) -> Ledger:
    return exporter_of(watched, clock, 2)


@pytest.fixture
def publisher(watched: WatchedStore, clock: Clock) -> Ledger:
    return publisher_of(watched, clock, 3)


def exporter_of(store: Any, clock: Clock, seed: int) -> Ledger:
    made = make_ledger(store, seed)
    made.now = lambda: clock.now.timestamp()
    return made


publisher_of = exporter_of  # another function with the same clock


class Calls:
    """Calls of the publisher, noted; each may run one, or fail."""

    def __init__(self) -> None:
        self.made: list[tuple[str, str]] = []
        self.then: Callable[[str, str], None] = lambda claim, holder: None

    def __call__(self, claim: str, holder: str) -> None:
        self.made.append((claim, holder))
        self.then(claim, holder)


@pytest.fixture
def calls() -> Calls:
    return Calls()


def claim(store: MemoryStore, by: bytes = b"somebody") -> str:
    """Claim the present CSV for somebody else."""
    key = claim_key(store.head(CSV_KEY))
    store.put_new(key, by, "text/plain")
    return key


def claims(store: MemoryStore) -> dict[str, bytes]:
    return {listed.key: store.get(listed.key).body for listed in store.list(CLAIMS)}


def rows_with(*numbers: int) -> bytes:
    return model_csv(map(item, [*range(ROWS), *numbers]))


# ---- who has committed -----------------------------------------------------------------------------------------------


def test_a_large_csv_is_claimed_and_handed_over(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore, calls: Calls
) -> None:
    """The exporter waits for no copy; the claim has the id with which its batch would come again."""
    present = claim_key(store.head(CSV_KEY))
    done = publish(exporter, report=commit(exporter, [insert(2000), insert(2001)]), call=calls)
    assert (done.handed_over, done.written) == (True, False)
    assert calls.made == [(present, FIRST)]
    assert claims(store) == {present: FIRST.encode()}
    assert "start_upload" not in watched.verbs()


@pytest.mark.parametrize("met", [False, True])
def test_a_small_csv_is_put_at_once_by_who_meets_nobody(met: bool, calls: Calls) -> None:
    """Under contention even a small one takes longer to publish than the next commit to come: one publishes for all."""
    store = MemoryStore()
    exporter = make_ledger(store)
    if met:
        exporter.met_others()
    done = publish(exporter, report=commit(exporter, [insert(1)]), call=calls)
    assert (done.handed_over, bool(calls.made)) == (met, met)
    assert (CSV_KEY in store.objects) == (not met)


@pytest.mark.parametrize(("age", "left"), [(INVOCATION_SECONDS - 1, True), (INVOCATION_SECONDS, False)])
def test_what_somebody_has_claimed_is_left_to_him_while_he_may_live(
    age: float, left: bool, exporter: Ledger, store: MemoryStore, clock: Clock, calls: Calls
) -> None:
    """He looks at the root after he has replaced the CSV, and so finds this commit. A dead one's is taken over."""
    key = claim(store)
    clock.now += timedelta(seconds=age)
    assert publish(exporter, report=commit(exporter, [insert(2000)]), call=calls).handed_over
    assert calls.made == [] if left else [(key, FIRST)]
    assert claims(store) == {key: b"somebody" if left else FIRST.encode()}


def test_a_batch_that_comes_again_calls_again_for_its_own_claim(
    exporter: Ledger, store: MemoryStore, clock: Clock, calls: Calls
) -> None:
    """It died between claim and call, or after the call: nobody can tell, and two calls do no harm."""
    key = claim(store, FIRST.encode())
    clock.now += timedelta(seconds=1)
    assert publish(exporter, report=commit(exporter, [insert(2000)]), call=calls).handed_over
    assert calls.made == [(key, FIRST)]


@pytest.mark.parametrize("by", [FIRST_OF_ALL.encode(), FIRST_OF_ALL.encode() + b" a publisher", b"somebody"])
def test_a_batch_that_comes_again_calls_for_its_claim_although_the_csv_is_current(
    by: bytes, exporter: Ledger, store: MemoryStore, calls: Calls
) -> None:
    """What it had removed came back meanwhile: its claim would keep others away for as long as it may live."""
    key = claim(store, by)
    publish(exporter, report=commit(exporter, [insert(0)]), call=calls)
    assert calls.made == ([(key, FIRST_OF_ALL)] if by != b"somebody" else [])


def test_a_claim_of_our_own_whose_answer_was_lost_is_our_own(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore, calls: Calls
) -> None:
    """The SDK sent it twice, and the second was told that it exists."""

    def land_and_exist(proceed: Callable[[], Any]) -> bool:
        proceed()
        return False

    watched.on("put_new", CLAIMS, land_and_exist)
    publish(exporter, report=commit(exporter, [insert(2000)]), call=calls)
    assert calls.made == [(claim_key(store.head(CSV_KEY)), FIRST)]


@pytest.mark.parametrize("error", [Unavailable("TooManyRequestsException"), Unknown("ReadTimeoutError")])
@pytest.mark.parametrize("arrives", [False, True])
def test_a_call_that_fails_is_left_to_the_next_commit_or_the_schedule(
    error: Exception, arrives: bool, exporter: Ledger, store: MemoryStore, clock: Clock, calls: Calls
) -> None:
    """No claim stays behind that nobody works on; a publisher that was called all the same finds none, and claims."""

    def fail(claim: str, holder: str) -> None:
        raise error

    calls.then = fail
    with pytest.raises(NotCalled):
        publish(exporter, report=commit(exporter, [insert(2000)]), call=calls)
    assert claims(store) == {}
    keep_current(publisher_of(store, clock, 3), no_limit, *(calls.made[0] if arrives else ("", "of the schedule")))
    assert read_csv(store) == rows_with(2000)
    assert claims(store) == {}


def test_the_csv_that_is_claimed_is_the_one_that_is_there(
    exporter: Ledger, watched: WatchedStore, store: MemoryStore, clock: Clock, calls: Calls
) -> None:
    """It is replaced while we claim the one before: that claim would be seen by nobody, and is given back."""
    rival = publisher_of(store, clock, 7)

    def replace_and_commit() -> None:
        keep_current(rival)
        commit(rival, [insert(4000)])

    watched.on("put_new", CLAIMS, first(replace_and_commit))
    publish(exporter, report=commit(exporter, [insert(2000)]), call=calls)
    assert calls.made == [(claim_key(store.head(CSV_KEY)), FIRST)]
    assert [*claims(store)] == [calls.made[0][0]]


def test_a_csv_that_somebody_else_has_made_current_is_handed_to_nobody(
    exporter: Ledger, store: MemoryStore, clock: Clock, calls: Calls
) -> None:
    report = commit(exporter, [insert(2000)])
    keep_current(publisher_of(store, clock, 7))
    assert not publish(exporter, report=report, call=calls).handed_over
    assert calls.made == []


def test_a_csv_that_somebody_wrote_by_hand_is_claimed_by_its_etag(
    exporter: Ledger, store: MemoryStore, calls: Calls
) -> None:
    """Its metadata names no root, or what might leave the folder of the claims."""
    for lines, name in enumerate(("", "../../x", "a/b", "7-a/b"), 2000):
        present = store.head(CSV_KEY)
        etag = store.put_if_match(CSV_KEY, b"mine\n" * lines, present.etag, "text/csv", {"root": name})
        publish(exporter, report=commit(exporter, [insert(2000 + len(store.objects))]), call=calls)
        assert calls.made.pop()[0] == CLAIMS + etag


def test_an_operators_command_claims_nothing(exporter: Ledger, watched: WatchedStore, store: MemoryStore) -> None:
    """It may be killed for good, so nobody may leave anything to it; what others claim it leaves to them."""
    assert publish(exporter, report=commit(exporter, [insert(2000)], redelivered=False)).written
    assert "put_new" not in watched.verbs(CLAIMS)
    claim(store)
    commit(exporter, [insert(2001)], redelivered=False)
    assert publish(exporter).handed_over
    assert read_csv(store) == rows_with(2000)


# ---- who is called ---------------------------------------------------------------------------------------------------


def test_a_publisher_takes_up_the_claim_that_it_is_called_for(publisher: Ledger, store: MemoryStore) -> None:
    key = claim(store, b"7")
    commit(publisher, [insert(2000)])
    told: list[Published] = []
    keep_current(publisher, no_limit, key, "7", told.append)
    assert read_csv(store) == rows_with(2000)
    assert [(one.version, one.written, one.rebuilt) for one in told] == [(read_root(store).version, True, False)]
    assert claims(store) == {}


def test_the_next_copy_begins_when_the_last_one_ends(
    publisher: Ledger, watched: WatchedStore, store: MemoryStore, clock: Clock, calls: Calls
) -> None:
    """Commits come while it copies, and leave it to the publisher: one copy in flight, and each is claimed."""
    rival = exporter_of(store, clock, 8)
    left: list[Published] = []

    def come() -> None:
        left.append(publish(rival, report=commit(rival, [insert(3000 + len(left))]), call=calls))

    watched.on("finish_upload", CSV_KEY, first(come), times=2)
    commit(publisher, [insert(2000)])
    told: list[Published] = []
    keep_current(publisher, no_limit, claim(store, b"7"), "7", told.append)
    assert [one.handed_over for one in left] == [True, True]
    assert calls.made == []
    assert read_csv(store) == rows_with(2000, 3000, 3001)
    assert len({one.version for one in told}) == watched.verbs().count("start_upload") == 3
    assert claims(store) == {}


@pytest.mark.parametrize(("combined", "apart"), [(True, 0.575), (False, 0.1)])
def test_a_publisher_rests_where_exporters_combine(
    combined: bool,
    apart: float,
    publisher: Ledger,
    watched: WatchedStore,
    store: MemoryStore,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Batches of one second interleave, and each publish uploads the last half second again; one stream has no such."""
    time = [100.0]
    publisher.monotonic = lambda: time[0]
    publisher.sleep = lambda seconds: time.__setitem__(0, time[0] + seconds)
    began: list[float] = []
    look, segments = publishing._Publisher.look, ("some", "other") if combined else ("some",)

    def look_at(self: Any) -> tuple[Any, Any]:
        root, present = look(self)
        return replace(root, segments=segments), present

    monkeypatch.setattr(publishing._Publisher, "look", look_at)
    watched.on("start_upload", CSV_KEY, first(lambda: began.append(time[0])), times=2)

    def come() -> None:
        time[0] += 0.1  # what the copy takes
        if len(began) == 1:
            commit(exporter_of(store, clock, 8), [insert(3000)])

    watched.on("finish_upload", CSV_KEY, first(come), times=2)
    commit(exporter_of(store, clock, 9), [insert(2000)])
    keep_current(publisher, no_limit, claim(store, b"7"), "7")
    assert read_csv(store) == rows_with(2000, 3000)
    assert began[1] - began[0] == pytest.approx(apart, abs=0.001)


def test_what_is_claimed_by_somebody_else_is_his(publisher: Ledger, watched: WatchedStore, store: MemoryStore) -> None:
    """Called for a claim that is no more, or by the schedule: it takes none away from who may live."""
    key = claim(store)
    commit(publisher, [insert(2000)])
    keep_current(publisher, no_limit, CLAIMS + "1-gone", "7")
    keep_current(publisher, no_limit, key, "7")
    keep_current(publisher)
    assert claims(store) == {key: b"somebody"}
    assert "start_upload" not in watched.verbs()


def test_a_claim_that_was_given_back_just_then_is_free(
    publisher: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """It was there when ours was refused, and gone when it was looked at: who comes then has it, and leaves nobody."""
    key = claim(store)
    watched.on("get", key, first(lambda: store.delete([key])))
    own = Claim(publisher, "7", "run")
    assert own.take(key)
    assert claims(store) == {key: b"7 run"}


def test_a_claim_that_cannot_be_deleted_is_abandoned_all_the_same(
    publisher: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """Who has given it up does not take it for his own later; it ends with its age."""
    key = claim_key(store.head(CSV_KEY))
    own = Claim(publisher, "7")
    assert own.take(key)
    watched.on("delete", key, refuse(Unavailable("503")))
    own.abandon()
    assert (own.held, claims(store)) == ("", {key: b"7"})


def test_whoever_made_a_claim_of_unknown_age_may_live() -> None:
    """Of two who copy the same the one is in vain; of none who does, the CSV is behind."""
    assert may_live(Stored(b"", "etag"), now=INVOCATION_SECONDS * 10)


def test_a_claim_of_a_csv_that_was_replaced_is_given_back(publisher: Ledger, store: MemoryStore, clock: Clock) -> None:
    """The call came late; what is behind now is claimed anew."""
    key = claim(store, b"7")
    old = store.get(key)
    rival = publisher_of(store, clock, 8)
    commit(rival, [insert(2000)])
    store.delete([key])
    keep_current(rival)
    store.put_new(key, old.body, "text/plain")
    commit(rival, [insert(2001)])
    keep_current(publisher, no_limit, key, "7")
    assert read_csv(store) == rows_with(2000, 2001)
    assert claims(store) == {}


@pytest.mark.parametrize("copies", [0, 1], ids=["in the claim that it came with", "in a later claim"])
def test_a_publisher_that_died_goes_on_when_lambda_calls_again(
    copies: int, publisher: Ledger, watched: WatchedStore, store: MemoryStore, clock: Clock
) -> None:
    """With the same event a minute later: all its claims have the id of its first one."""
    key = claim(store, b"7")
    commit(publisher, [insert(2000)])
    watched.on("finish_upload", CSV_KEY, first(lambda: commit(exporter_of(store, clock, 8), [insert(3000)])))
    watched.on("start_upload", CSV_KEY, refuse(KeyboardInterrupt()), after=copies)  # type: ignore[arg-type]
    watched.on("delete", CLAIMS, refuse(Unavailable("dead")), after=copies)
    with pytest.raises(KeyboardInterrupt):
        keep_current(publisher, no_limit, key, "7")
    ((held, body),) = claims(store).items()
    assert (held, body.split()[0]) == (claim_key(store.head(CSV_KEY)), b"7")
    clock.now += timedelta(seconds=60)
    keep_current(publisher_of(store, clock, 9), no_limit, key, "7")
    assert read_csv(store) == read_rows(store)
    assert claims(store) == {}


@pytest.mark.parametrize("wins", [False, True])
def test_of_two_runs_of_one_call_one_goes_on(
    wins: bool, publisher: Ledger, watched: WatchedStore, store: MemoryStore, clock: Clock
) -> None:
    """Lambda delivered it twice. Both may copy once; then the one that comes late to the next claim leaves it."""
    rival = publisher_of(store, clock, 8)
    held: list[str] = []

    def go_on() -> None:
        commit(rival, [insert(3000)])
        held.append(claim(store, b"7 the other run"))

    def replace() -> None:
        store.delete([key])
        publish(rival)
        go_on()

    key = claim(store, b"7")
    commit(publisher, [insert(2000)])
    if wins:
        watched.on("delete", CLAIMS, first(go_on))
    else:
        watched.on("start_upload", CSV_KEY, first(replace))
    keep_current(publisher, no_limit, key, "7")
    assert watched.verbs().count("start_upload") == 1
    assert claims(store) == {held[0]: b"7 the other run"}
    keep_current(publisher_of(store, clock, 10), no_limit, key, "7")  # a run that comes after its death goes on
    assert read_csv(store) == rows_with(2000, 3000)
    assert claims(store) == {}


@pytest.mark.parametrize("by", [b"7 a run that died", b"somebody"])
def test_a_claim_that_a_dead_run_left_on_a_current_csv_is_given_back(
    by: bytes, publisher: Ledger, store: MemoryStore
) -> None:
    """It had claimed the next copy, which nobody needed in the end; else whoever commits next would leave for it."""
    key = claim(store, by)
    keep_current(publisher, no_limit, CLAIMS + "1-gone", "7")
    assert claims(store) == ({key: by} if by == b"somebody" else {})


def test_a_claim_that_cannot_be_given_back_is_given_back_when_lambda_calls_again(
    publisher: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """Whoever commits next would leave for it: so that is a failure of the call."""
    key = claim(store, b"7")
    watched.on("delete", CLAIMS, refuse(Unavailable("SlowDown")), times=2)
    with pytest.raises(Unavailable):
        keep_current(publisher, no_limit, key, "7")
    keep_current(publisher, no_limit, key, "7")
    assert claims(store) == {}


def test_a_publisher_that_never_comes_again_is_replaced_by_the_schedule(
    publisher: Ledger, store: MemoryStore, clock: Clock
) -> None:
    """Lambda has given up: its claim is nobody's when it is as old as an invocation can be."""
    claim(store, b"7")
    commit(publisher, [insert(2000)])
    for age, shown in ((INVOCATION_SECONDS - 1, rows_with()), (1, rows_with(2000))):
        clock.now += timedelta(seconds=age)
        keep_current(publisher)
        assert read_csv(store) == shown
    assert claims(store) == {}


def test_a_dead_claim_is_taken_over_although_the_answer_is_lost(
    publisher: Ledger, watched: WatchedStore, store: MemoryStore, clock: Clock
) -> None:
    """Whether it was deleted, the next try shows."""
    key = claim(store)
    clock.now += timedelta(seconds=INVOCATION_SECONDS)
    watched.on("delete_if_match", key, land_and_lose(Unknown("ReadTimeoutError")))
    assert Claim(publisher, "7").take(key)
    assert claims(store) == {key: b"7"}


def test_of_two_who_take_over_a_dead_claim_one_wins(
    publisher: Ledger, watched: WatchedStore, store: MemoryStore, clock: Clock
) -> None:
    """Each deletes the very claim that it saw: the later one does not take the new one for the dead one."""
    key = claim(store)
    clock.now += timedelta(seconds=INVOCATION_SECONDS)
    commit(publisher, [insert(2000)])
    faster = Claim(publisher_of(store, clock, 8), "faster")
    watched.on("delete_if_match", CLAIMS, first(lambda: faster.take(key)))
    keep_current(publisher, no_limit, "", "slower")
    assert claims(store) == {key: b"faster"}
    assert "start_upload" not in watched.verbs()


def test_who_leaves_because_of_a_claim_that_is_just_given_back_is_seen(
    publisher: Ledger, watched: WatchedStore, store: MemoryStore, clock: Clock, calls: Calls
) -> None:
    """The CSV was current, its claim still there, and a commit relied on it: one more look, after the claim is gone."""
    key = claim(store, b"7")
    rival = exporter_of(store, clock, 8)

    def commit_and_leave() -> None:
        assert publish(rival, report=commit(rival, [insert(3000)]), call=calls).handed_over

    watched.on("delete", CLAIMS, first(commit_and_leave))
    keep_current(publisher, no_limit, key, "7")
    assert calls.made == []
    assert read_csv(store) == rows_with(3000)
    assert claims(store) == {}


def test_the_next_copy_is_begun_only_if_there_is_time_for_one_like_the_last(
    publisher: Ledger, watched: WatchedStore, store: MemoryStore, clock: Clock, calls: Calls
) -> None:
    """A commit came meanwhile: its claim is given back, so that whoever commits next calls, or the schedule does."""
    seconds = [0.0]
    publisher.monotonic = lambda: seconds[0]
    rival = exporter_of(store, clock, 7)

    def commit_and_take_long() -> None:
        commit(rival, [insert(3000)])
        seconds[0] = 10.0

    watched.on("finish_upload", CSV_KEY, first(commit_and_take_long))
    commit(publisher, [insert(2000)])
    keep_current(publisher, lambda: 28.0 - seconds[0], claim(store, b"7"), "7")
    assert watched.verbs().count("start_upload") == 1
    assert read_csv(store) == rows_with(2000)
    assert claims(store) == {}
    assert publish(rival, report=commit(rival, [insert(4000)]), call=calls).handed_over
    assert len(calls.made) == 1


@pytest.mark.parametrize(
    ("verb", "key", "after"),
    [("copy_part", CSV_KEY, 0), ("finish_upload", CSV_KEY, 0), ("get", ROOT_KEY, 2)],
)
def test_a_publish_that_fails_gives_its_claim_back(
    verb: str, key: str, after: int, publisher: Ledger, watched: WatchedStore, store: MemoryStore
) -> None:
    """Others need not wait until Lambda calls again."""
    commit(publisher, [insert(2000)])
    watched.on(verb, key, refuse(Unavailable("SlowDown")), after=after)
    with pytest.raises(Unavailable):
        keep_current(publisher)
    assert claims(store) == {}


def test_a_publisher_who_never_wins_says_so(publisher: Ledger, watched: WatchedStore, store: MemoryStore) -> None:
    """Whoever keeps winning publishes; so many tries are given to each version, not to all."""
    commit(publisher, [insert(2000)])
    watched.on("finish_upload", CSV_KEY, refuse(Refused("PreconditionFailed")), times=99)
    with pytest.raises(OutOfTime, match="behind version 2"):
        keep_current(publisher)
    assert watched.verbs().count("finish_upload") == publishing.MAX_TRIES
    assert claims(store) == {}
