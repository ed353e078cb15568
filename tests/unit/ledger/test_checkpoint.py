"""What can be known of lost stream records is recorded in the checkpoint until a backfill repairs it."""

from dataclasses import replace

from infra.doubles.memory_store import MemoryStore
from ledger.checkpoint import OPEN_GAPS, add_gap
from ledger.commit import commit
from ledger.ledger import Ledger
from ledger.manifest import Gap, decode_root, encode_root
from tests.support.factories import START, event, insert, item, leave_waiting, make_ledger
from tests.support.reader import read_root

NEWER = "arn:aws:dynamodb:eu-west-1:111122223333:table/Images/stream/2026-11-26T07:00:00.000"
OTHER_TABLE = "arn:aws:dynamodb:eu-west-1:111122223333:table/Images-2/stream/2026-11-26T07:00:00.000"
DAY = 86_400.0


def test_a_new_stream_of_a_known_table_is_a_gap(ledger: Ledger, store: MemoryStore) -> None:
    """Whatever happened between the last record of the old stream and the first of the new one may be lost."""
    commit(ledger, [event("INSERT", item(1), seconds=60)])
    assert read_root(store).checkpoint.gaps == ()
    commit(ledger, [event("INSERT", item(2), sequence=1, seconds=7200, stream=NEWER)])
    (gap,) = read_root(store).checkpoint.gaps
    assert gap == Gap("new-stream", "Images/2026-11-26T07:00:00.000", "2026-11-25T08:01:00Z", "2026-11-25T10:00:00Z")
    commit(ledger, [event("INSERT", item(3), sequence=2, seconds=7300, stream=NEWER)])
    assert read_root(store).checkpoint.gaps == (gap,), "it is told once"


def test_the_first_stream_and_another_table_are_no_gap(ledger: Ledger, store: MemoryStore) -> None:
    """Nothing was followed before, so nothing was lost."""
    commit(ledger, [event("INSERT", item(1), stream=NEWER)])
    commit(ledger, [event("INSERT", item(2), sequence=1, stream=OTHER_TABLE)])
    assert read_root(store).checkpoint.gaps == ()


def test_records_that_the_stream_was_about_to_forget_are_a_gap(ledger: Ledger, store: MemoryStore) -> None:
    """An age near 24 hours says that older neighbours may be gone; the gap grows with each such batch."""
    arrived = START.timestamp() + 2 * DAY
    commit(ledger, [event("INSERT", item(1), seconds=100)])
    commit(ledger, [event("INSERT", item(2), sequence=2, seconds=int(DAY) + 3599)], arrived=arrived)
    (gap,) = read_root(store).checkpoint.gaps
    assert (gap.kind, gap.since, gap.until) == ("late", "2026-11-25T08:01:40Z", "2026-11-26T08:59:59Z")
    commit(ledger, [event("INSERT", item(3), sequence=3, seconds=int(DAY) + 3700)], arrived=arrived + 200)
    (grown,) = read_root(store).checkpoint.gaps
    assert (grown.since, grown.until) == (gap.since, "2026-11-26T09:01:40Z")
    commit(ledger, [event("INSERT", item(4), sequence=4, seconds=int(DAY) + 7300)], arrived=arrived + 201)
    assert read_root(store).checkpoint.gaps == (grown,), "an age of 22 hours is late, but nothing is forgotten yet"


def test_a_late_batch_is_known_by_its_oldest_event_wherever_that_stands(ledger: Ledger, store: MemoryStore) -> None:
    """A record that has no time, or one in the wrong place, does not hide that its neighbours are late."""
    timeless, young = {"eventName": "INSERT"}, event("INSERT", item(3), sequence=3, seconds=int(DAY))
    commit(ledger, [timeless, young, event("INSERT", item(2), sequence=2)], arrived=START.timestamp() + DAY)
    (gap,) = read_root(store).checkpoint.gaps
    assert (gap.kind, gap.until) == ("late", "2026-11-25T08:00:00Z")


def test_a_redrive_is_not_late(ledger: Ledger, store: MemoryStore) -> None:
    """What does not come from the stream directly may be of any age."""
    commit(ledger, [insert(1)])
    assert read_root(store).checkpoint.gaps == ()


def test_a_leader_records_what_the_batches_that_it_took_along_tell_of(store: MemoryStore) -> None:
    """Gaps, streams and the newest event stand with the changes, in one commit: their owners find them merged."""
    commit(make_ledger(store, 1), [event("INSERT", item(1))])
    late, start = [event("INSERT", item(2), sequence=200, seconds=60)], START.timestamp()
    leave_waiting(make_ledger(store, 2), late, arrived=start + DAY)
    leave_waiting(make_ledger(store, 3), [event("INSERT", item(3), sequence=1, seconds=7200, stream=NEWER)])
    leader = make_ledger(store, 4)
    leader.met_others()
    assert commit(leader, [event("INSERT", item(4), sequence=150, seconds=30)]).led == 2
    checkpoint = read_root(store).checkpoint
    old, new = "Images/2026-11-25T07:00:00.000", "Images/2026-11-26T07:00:00.000"
    assert set(checkpoint.gaps) == {
        Gap("late", old, "2026-11-25T08:00:00Z", "2026-11-25T08:01:00Z"),
        Gap("new-stream", new, "2026-11-25T08:00:00Z", "2026-11-25T10:00:00Z"),
    }
    assert checkpoint.streams == {old: "200", new: "1"}
    assert checkpoint.newest_event == "2026-11-25T10:00:00Z"
    assert commit(make_ledger(store, 5), late, arrived=start + DAY).commits == 0, "nobody tells it a second time"


def test_gaps_are_kept_in_the_root_and_bounded() -> None:
    """They survive writing and reading, and a stack with very many streams does not fill its root with them."""
    gaps: tuple[Gap, ...] = ()
    for number in range(OPEN_GAPS + 5):
        gaps = add_gap(gaps, Gap("late", f"Images/{number}", "2026-11-25T08:00:00Z", "2026-11-25T09:00:00Z"))
    assert len(gaps) == OPEN_GAPS
    root, _ = make_ledger(MemoryStore()).load_root()
    root = replace(root, checkpoint=replace(root.checkpoint, gaps=gaps))
    assert decode_root(encode_root(root)) == root
