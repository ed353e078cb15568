"""The merge against a plain model: sort the final items."""

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from ledger.keys import page_key
from ledger.manifest import Root, Targets, decode_page, starts_page, starts_shard
from ledger.publish import publish
from ledger.row import key_of
from tests.support.factories import Item, event, item, make_ledger, model_csv
from tests.support.reader import read_csv, read_root, read_rows, read_shard, read_tree


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[Item]]:
    """Draw a table's life: its stream records in order, and its final items."""
    table: dict[int, Item] = {}
    events: list[dict[str, Any]] = []
    life = 0
    for sequence in range(draw(st.integers(1, 60))):
        number = draw(st.integers(0, 15))
        old = table.get(number)
        text = {"S": draw(st.sampled_from(["", "a", "bridge, north", 'say "x"', "=1+1"])) * draw(st.integers(1, 60))}
        if old is None:
            life += 1
            made = item(number * 1000 + life, description=text)
            made["etag"] = {"S": f"{number:04x}"}
            table[number] = made
            events.append(event("INSERT", made, sequence=sequence, seconds=sequence))
        elif draw(st.booleans()):
            revision = int(old["revision"]["N"]) + 1
            table[number] = old | {"revision": {"N": str(revision)}, "description": text}
            events.append(event("MODIFY", table[number], old, sequence=sequence, seconds=sequence))
        else:
            del table[number]
            events.append(event("REMOVE", old=old, sequence=sequence, seconds=sequence))
    return events, list(table.values())


def _deliver(events: list[dict[str, Any]], chance: random.Random, targets: Targets) -> MemoryStore:
    """Deliver in any order, any batch cuts, with any duplicates."""
    store = MemoryStore()
    ledger = make_ledger(store, chance.getrandbits(32), targets)
    queue = events + chance.choices(events, k=len(events) // 2)
    chance.shuffle(queue)
    while queue:
        size = chance.randint(1, 12)
        commit(ledger, queue[:size])
        queue = queue[size:]
    publish(ledger)
    return store


TARGETS = st.builds(Targets, st.sampled_from([1, 300, 1000, 5000, 1 << 20]), st.sampled_from([1, 2, 4, 1000]))


@given(histories(), TARGETS, st.randoms(use_true_random=False))
def test_the_csv_is_the_sorted_final_items_however_events_come(
    history: tuple[list[dict[str, Any]], list[Item]], targets: Targets, chance: random.Random
) -> None:
    """For any events, in any order, any batch cuts, any duplicates: bytes and tree hash are the model's."""
    events, final = history
    store = _deliver(events, chance, targets)
    assert read_csv(store) == model_csv(final)
    assert read_rows(store) == model_csv(final)

    fresh = MemoryStore()
    if final:
        commit(make_ledger(fresh, targets=targets), [event("INSERT", one) for one in final])
    else:
        make_ledger(fresh, targets=targets).load_root()
    assert read_root(store).tree_hash == read_root(fresh).tree_hash


@given(histories(), TARGETS, st.randoms(use_true_random=False))
def test_delivering_everything_again_writes_nothing(
    history: tuple[list[dict[str, Any]], list[Item]], targets: Targets, chance: random.Random
) -> None:
    """A replayed batch changes no object but, at most, adds its segment to the journal."""
    events, _ = history
    store = _deliver(events, chance, targets)
    before = {key: stored for key, stored in store.objects.items() if not key.startswith("journal/")}
    ledger = make_ledger(store, 99)
    for one in events:
        report = commit(ledger, [one])
        assert report.commits == 0
    publish(ledger)
    assert {key: stored for key, stored in store.objects.items() if not key.startswith("journal/")} == before


def test_a_cut_depends_on_its_own_row_alone() -> None:
    """Every shard but the first starts at a row that the rule cuts, and no other row is one that it cuts."""
    store = MemoryStore()
    targets = Targets(2000, 3)
    commit(make_ledger(store, targets=targets), [event("INSERT", item(number)) for number in range(400)])
    root = read_root(store)
    firsts = []
    for number, page in enumerate(root.rows.pages):
        shards = decode_page(store.get(page_key(page.sha256)).body)  # type: ignore[union-attr]
        for index, shard in enumerate(shards):
            assert starts_page(shard.first, targets) == (index == 0) or (number, index) == (0, 0)
            lines = read_shard(store, shard.sha256).splitlines(keepends=True)  # type: ignore[union-attr]
            cuts = [starts_shard(key_of(line), len(line), targets) for line in lines]
            assert not any(cuts[1:])
            firsts.append(cuts[0])
    assert all(firsts[1:])
    assert len(root.rows.pages) > 3
    assert len(firsts) > 20


def test_an_empty_tree_is_the_same_after_rows_came_and_went() -> None:
    """Stack deployed, one image, deleted: header only, the same bytes and tree hash as at the start."""
    store = MemoryStore()
    ledger = make_ledger(store)
    publish(ledger)
    start, start_tree = read_csv(store), read_root(store).tree_hash
    commit(ledger, [event("INSERT", item(1))])
    publish(ledger)
    assert read_csv(store) != start
    commit(ledger, [event("REMOVE", old=item(1))])
    publish(ledger)
    assert read_csv(store) == start == model_csv([])
    assert read_root(store).tree_hash == start_tree
    assert read_root(store).rows == Root().rows


def test_a_removal_is_remembered_and_forgotten_after_48_hours_of_event_time() -> None:
    """Removals older than the newest event by twice the stream's retention leave when their shard is touched."""
    store = MemoryStore()
    ledger = make_ledger(store, targets=Targets())
    commit(ledger, [event("REMOVE", old=item(1), seconds=0), event("REMOVE", old=item(2), seconds=1)])
    remembered = read_tree(store, read_root(store).removals)
    assert remembered.count(b"\n") == 2
    commit(ledger, [event("REMOVE", old=item(3), seconds=48 * 3600 + 1)])
    kept = read_tree(store, read_root(store).removals).splitlines()
    assert [line.split(b",")[1] for line in kept] == [f"{number:032x}".encode() for number in (2, 3)]


def test_a_removal_past_its_time_holds_back_no_put_even_if_it_is_still_stored() -> None:
    """Whether an item put back by hand after 48 hours shows does not depend on which shards were touched meanwhile."""
    store = MemoryStore()
    ledger = make_ledger(store, targets=Targets(1, 1))  # every removal lies in a shard of its own: none is pruned
    commit(ledger, [event("REMOVE", old=item(1, 3), seconds=0)])
    commit(ledger, [event("INSERT", item(1, 3), seconds=48 * 3600)])
    assert read_rows(store) == model_csv([])
    commit(ledger, [event("INSERT", item(1, 3), seconds=48 * 3600 + 1)])
    assert read_rows(store) == model_csv([item(1, 3)])
    assert read_tree(store, read_root(store).removals), "the removal is still stored"


def test_a_removal_that_comes_past_its_time_is_no_change() -> None:
    """Else a delivery of an old event would be a commit; the newest event of all says what is past, to the second."""
    store = MemoryStore()
    ledger = make_ledger(store)
    commit(ledger, [event("INSERT", item(9), seconds=48 * 3600)])
    assert commit(ledger, [event("REMOVE", old=item(1), seconds=-1)]).commits == 0
    assert read_root(store).removals == Root().removals
    assert commit(ledger, [event("REMOVE", old=item(1), seconds=0)]).commits == 1
    assert read_root(store).checkpoint.newest_event == "2026-11-27T08:00:00Z", "it does not go back"
    assert read_tree(store, read_root(store).removals).count(b"\n") == 1


def test_of_two_removals_the_later_one_is_remembered_in_either_order() -> None:
    """A record may be redacted, or an image removed by a backfill, at another time than the event says."""
    trees = set()
    for seconds in ((5, 9), (9, 5)):
        store = MemoryStore()
        for second in seconds:
            commit(make_ledger(store), [event("REMOVE", old=item(1), seconds=second)])
        trees.add(read_tree(store, read_root(store).removals))
    (kept,) = trees
    assert kept.endswith(b",2026-11-25T08:00:09Z\n")


def test_a_row_that_starts_a_shard_and_shrinks_joins_it_with_the_one_before() -> None:
    """A row that is as large as the target starts a shard by its size alone; the tree is as if it never had been."""
    large, small = (
        [item(number, revision, description={"S": "x" * size}) for number in range(12)]
        for revision, size in ((1, 900), (2, 1))
    )
    store, fresh = MemoryStore(), MemoryStore()
    commit(make_ledger(store), [event("INSERT", one) for one in large])
    for number in (5, 3, 9, 1, 11, 0, 2, 4, 6, 7, 8, 10):
        commit(make_ledger(store), [event("MODIFY", small[number], large[number])])
    commit(make_ledger(fresh), [event("INSERT", one) for one in small])
    assert read_rows(store) == model_csv(small)
    assert read_root(store).tree_hash == read_root(fresh).tree_hash
