"""What the checks of tree, CSV and journal find, and that it finds nothing where nothing is wrong."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from ledger.journal import write_segment
from ledger.keys import page_key, shard_key
from ledger.ledger import Ledger
from ledger.manifest import decode_page, encode_page, encode_root, sha256
from ledger.publish import publish
from operations.rebuild.scratch import FolderScratch
from operations.rebuild.tree_reader import both_sides
from operations.verify.ledger import check_csv, check_tree, compare_with_journal
from tests.support.factories import event, insert, item, make_ledger, segment_with
from tests.support.histories import deliver, history
from tests.support.reader import read_root


@pytest.fixture
def filled(ledger: Ledger) -> Ledger:
    """A ledger with some pages of rows and a published CSV."""
    deliver(ledger, history(1, 300))
    publish(ledger)
    return ledger


def _alter(store: MemoryStore, key: str, change: Callable[[bytes], bytes]) -> None:
    stored, content_type = store.objects[key]
    body = change(stored.body)
    store.objects[key] = (replace(stored, body=body, size=len(body)), content_type)


def _first_page(store: MemoryStore) -> str:
    return page_key(read_root(store).rows.pages[0].sha256)


def _first_shard(store: MemoryStore) -> str:
    return shard_key(decode_page(store.objects[_first_page(store)][0].body)[0].sha256)


def test_nothing_is_found_where_nothing_is_wrong(filled: Ledger, store: MemoryStore, tmp_path: Path) -> None:
    """Tree, CSV and journal of an untouched ledger are good, and what was looked at is counted."""
    root = read_root(store)
    tree = check_tree(filled, root)
    assert tree.good
    assert (tree.checked["rows"], tree.checked["bytes"]) == (
        root.rows.rows + root.removals.rows,
        root.rows.bytes + root.removals.bytes,
    )
    assert check_csv(filled).good
    journal = compare_with_journal(filled, FolderScratch(tmp_path / "scratch"))
    assert journal.good
    assert journal.checked["tree"] == journal.checked["journal"] == root.tree_hash


@pytest.mark.parametrize("what", ["shard", "page"])
@pytest.mark.parametrize("harm", ["gone", "altered"])
def test_a_lost_or_altered_object_is_named(what: str, harm: str, filled: Ledger, store: MemoryStore) -> None:
    """Every object that the root names must have the bytes of its hash; the rest is checked all the same."""
    key = _first_shard(store) if what == "shard" else _first_page(store)
    if harm == "gone":
        store.delete([key])
    else:
        _alter(store, key, lambda body: body[:-2] + b"x\n")
    found = check_tree(filled, read_root(store))
    assert len(found.problems) == 1
    assert key in found.problems[0]
    assert int(found.checked["shards"]) > 3


def _replace_first_page(store: MemoryStore, body: bytes) -> None:
    """Put another first page into the tree, as a faulty writer would: with right hashes."""
    root = read_root(store)
    shards = decode_page(body)
    store.put_new(page_key(sha256(body)), body, "application/json")
    page = root.rows.pages[0]._replace(sha256=sha256(body))
    rows = replace(root.rows, pages=(page, *root.rows.pages[1:]))
    stored, content_type = store.objects["manifest.json"]
    store.objects["manifest.json"] = (replace(stored, body=encode_root(replace(root, rows=rows))), content_type)
    assert shards


def test_wrong_counts_cuts_and_order_are_found_behind_right_hashes(filled: Ledger, store: MemoryStore) -> None:
    """Hashes prove bytes, not sense: counts, cuts and order are checked against the lines themselves."""
    page = store.objects[_first_page(store)][0].body
    shards = decode_page(page)
    counted_wrong = [shards[0]._replace(rows=shards[0].rows + 1), *shards[1:]]
    _replace_first_page(store, encode_page(counted_wrong))
    problems = check_tree(make_ledger(store), read_root(store)).problems
    assert any("rows or bytes that its page says" in line for line in problems)
    assert any("does not have the rows, bytes or first key that the root says" in line for line in problems)

    joined = b"".join(store.objects[shard_key(shard.sha256)][0].body for shard in shards[:2])
    store.put_new(shard_key(sha256(joined)), joined, "text/csv")
    one = shards[0]._replace(rows=shards[0].rows + shards[1].rows, bytes=len(joined), sha256=sha256(joined))
    _replace_first_page(store, encode_page([one, *shards[2:]]))
    problems = check_tree(make_ledger(store), read_root(store)).problems
    assert any("not cut where its rows say" in line for line in problems)

    lines = joined.splitlines(keepends=True)
    swapped = b"".join([*lines[1::-1], *lines[2:]])
    store.put_new(shard_key(sha256(swapped)), swapped, "text/csv")
    _replace_first_page(store, encode_page([one._replace(sha256=sha256(swapped)), *shards[2:]]))
    problems = check_tree(make_ledger(store), read_root(store)).problems
    assert any("not in order at line 2" in line for line in problems)


def test_a_csv_that_somebody_edited_is_told_row_by_row(filled: Ledger, store: MemoryStore) -> None:
    """Both sides of every row that differs, by its etag."""

    def edit(body: bytes) -> bytes:
        lines = body.splitlines(keepends=True)
        lines[1] = lines[1].replace(b"image/jpeg", b"image/edited")
        del lines[3]
        return b"".join([*lines, b"not a row\n"])

    before = store.objects["image-data.csv"][0].body.splitlines()
    _alter(store, "image-data.csv", edit)
    found = check_csv(filled)
    assert found.count == 2
    assert found.problems == [f"image-data.csv has a line that is no row, line {len(before)}"]
    columns = read_root(store).columns
    first, second = (both_sides(columns, one, "tree", "csv") for one in found.differences)
    assert (first["tree"], first["csv"]) == ({"content_type": "image/jpeg"}, {"content_type": "image/edited"})
    assert second["csv"] is None
    assert second["etag"] == before[3].split(b",")[1].decode()


def test_a_csv_that_is_behind_is_still_what_its_root_says(filled: Ledger, store: MemoryStore) -> None:
    """Behind is not wrong: the CSV is compared with the root that it names."""
    commit(filled, [insert(10**6)])
    found = check_csv(filled)
    assert found.good
    assert found.checked["version"] == read_root(store).version - 1
    store.delete([listed.key for listed in store.list("roots/")])
    assert "does not name a root" in check_csv(make_ledger(store)).problems[0]
    store.delete(["image-data.csv"])
    assert check_csv(filled).problems == ["there is no image-data.csv"]


@pytest.mark.parametrize("etag", ["whole", "in parts", "under SSE-KMS"])
def test_a_csv_is_the_trees_whatever_its_etag_is(etag: str) -> None:
    """An ETag that is no MD5 of the bytes says nothing of them, with as many digits or others: then all of it is read.

    What differs is told all the same: a row by its key, the header by itself.
    """
    store = MemoryStore(kms_key=b"key" if etag == "under SSE-KMS" else b"")
    ledger = make_ledger(store)
    deliver(ledger, history(1, 300))
    publish(ledger)
    stored, content_type = store.objects["image-data.csv"]
    if etag == "in parts":
        stored = replace(stored, etag=f"{stored.etag}-2")
        store.objects["image-data.csv"] = (stored, content_type)
    found = check_csv(ledger)
    assert (found.good, found.checked["bytes"], found.checked["rows"]) == (
        True,
        stored.size,
        read_root(store).rows.rows,
    )
    other = replace(stored, etag=stored.etag[::-1])
    for old, new, count, told in ((b"image/jpeg", b"image/jpgg", 1, 0), (b"bucket", b"basket", 0, 1)):
        changed = replace(other, body=stored.body.replace(old, new, 1))
        store.objects["image-data.csv"] = (changed, content_type)
        found = check_csv(ledger)
        assert (found.good, found.count, len(found.problems)) == (False, count, told)
    assert "in header or order" in found.problems[0]


def test_a_segment_that_was_journaled_and_never_merged_differs_from_the_tree(
    filled: Ledger, store: MemoryStore, tmp_path: Path
) -> None:
    """An exporter that died, or a batch that Lambda gave up on: the journal has more than the tree."""
    write_segment(store, segment_with([event("INSERT", item(10**6, title={"S": "lost"}))]))
    found = compare_with_journal(filled, FolderScratch(tmp_path / "scratch"))
    assert [both_sides(read_root(store).columns, one, *found.sides)["tree"] for one in found.differences] == [None]
    assert found.differences[0].right is not None
    assert b"lost" in found.differences[0].right
    assert not (tmp_path / "scratch").exists()


def test_events_on_their_way_are_no_difference(filled: Ledger, store: MemoryStore, tmp_path: Path) -> None:
    """What is journaled but not merged when it is first looked at, and merged some seconds later, is not told."""
    write_segment(store, segment_with([insert(10**6)]))
    exporter = make_ledger(store, 2)
    operator = replace(make_ledger(store, 3), sleep=lambda seconds: commit(exporter, [insert(10**6)]) and None)
    notes: list[str] = []
    found = compare_with_journal(operator, FolderScratch(tmp_path / "scratch"), report=notes.append)
    assert found.good
    assert notes[0].startswith("1 differences")
