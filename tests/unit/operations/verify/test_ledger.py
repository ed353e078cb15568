"""What the checks of tree, CSV and journal find, and that it finds nothing where nothing is wrong."""

import re
from collections.abc import Callable
from dataclasses import replace
from hashlib import md5
from pathlib import Path

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from ledger.errors import Damaged, Refused
from ledger.journal import write_segment
from ledger.keys import page_key, shard_key
from ledger.ledger import Ledger
from ledger.manifest import Entry, decode_page
from ledger.publish import publish
from ledger.store import Stored
from operations.rebuild.scratch import FolderScratch
from operations.rebuild.tree_reader import Difference, both_sides
from operations.verify import ledger as verify_ledger
from operations.verify import published
from operations.verify.findings import Findings
from operations.verify.ledger import check_tree, compare_with_journal
from operations.verify.published import check_csv, check_tree_and_csv
from tests.support.factories import event, insert, item, make_ledger, segment_with
from tests.support.faulty_tree import Pages, alter_rows, lines_of, shard_of
from tests.support.histories import deliver, history
from tests.support.reader import read_root
from tests.support.store_calls import WatchedStore, first, refuse


@pytest.fixture
def filled(ledger: Ledger) -> Ledger:
    """A ledger with some pages of rows and a published CSV."""
    deliver(ledger, history(1, 300))
    publish(ledger)
    return ledger


def _alter(store: MemoryStore, key: str, change: Callable[[bytes], bytes]) -> None:
    stored, content_type = store.objects[key]
    body = change(stored.body)
    store.objects[key] = (replace(stored, body=body, size=len(body), etag=md5(body).hexdigest()), content_type)


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


def _put(place: int, change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Pages], object]:
    """Change the lines of a shard of the first page, and say the truth about it."""
    return lambda pages: pages[0].__setitem__(place, shard_of(change(lines_of(pages[0][place]))))


def _say(**other: int | bytes) -> Callable[[Pages], object]:
    """Let the first page say something else of its second shard."""
    return lambda pages: pages[0].__setitem__(1, (pages[0][1][0]._replace(**other), pages[0][1][1]))


def _one_row_more(pages: list[Entry]) -> None:
    pages[0] = pages[0]._replace(rows=pages[0].rows + 1)


def _another_first_key(pages: list[Entry]) -> None:
    pages[1] = pages[1]._replace(first=pages[1].first + b"0")


def _cut_elsewhere(pages: Pages) -> None:
    lines = lines_of(pages[0][1])
    pages[0][1:2] = [shard_of(lines[:1]), shard_of(lines[1:])]


def _unended(pages: Pages) -> None:
    body = pages[0][1][1][:-1]
    pages[0][1] = (pages[0][1][0]._replace(bytes=len(body)), body)


def _as_they_are(pages: Pages) -> None:
    pass


PAGE_SAYS, ROOT_SAYS = "rows or bytes that its page says", "rows, bytes or first key that the root says"
FAULTS: dict[str, tuple[Callable[[Pages], object], Callable[[list[Entry]], object], str]] = {
    "a count of rows": (_say(rows=99), lambda pages: None, PAGE_SAYS),
    "a count of bytes": (_say(bytes=9999), lambda pages: None, PAGE_SAYS),
    "a shard that is larger": (
        _say(bytes=99),
        lambda pages: None,
        "unpacks to more than the 99 bytes that it may have",
    ),
    "no line break at the end": (_unended, lambda pages: None, PAGE_SAYS),
    "a first key": (
        _say(first=b"2026-11-25T08:00:00.000000Z,0"),
        lambda pages: None,
        "start with the key that its page",
    ),
    "a count in the root": (_as_they_are, _one_row_more, ROOT_SAYS),
    "a first key in the root": (_as_they_are, _another_first_key, ROOT_SAYS),
    "an empty page": (lambda pages: pages[0].clear(), lambda pages: None, ROOT_SAYS),
    "two shards in one": (
        lambda pages: pages[0].__setitem__(slice(0, 2), [shard_of(lines_of(pages[0][0]) + lines_of(pages[0][1]))]),
        lambda pages: None,
        "not cut where its rows say, at line",
    ),
    "one shard in two": (_cut_elsewhere, lambda pages: None, "not cut where its rows say, at line 1"),
    "two pages in one": (
        lambda pages: pages.__setitem__(slice(0, 2), [pages[0] + pages[1]]),
        lambda pages: None,
        "not cut where its shards say, at shard",
    ),
    "lines the other way round": (
        _put(1, lambda lines: [*lines[1::-1], *lines[2:]]),
        lambda pages: None,
        "order at line 2",
    ),
    "a line twice": (_put(1, lambda lines: [lines[0], *lines]), lambda pages: None, "once more, at line 2"),
    "a line again in the next shard": (
        lambda pages: pages[0].__setitem__(1, shard_of([lines_of(pages[0][0])[-1], *lines_of(pages[0][1])])),
        lambda pages: None,
        "once more, at line 1",
    ),
    "shards the other way round": (
        lambda pages: pages[0].__setitem__(slice(0, 2), pages[0][1::-1]),
        lambda pages: None,
        "order at line 1",
    ),
    "pages the other way round": (lambda pages: pages.reverse(), lambda pages: None, "order at line 1"),
    "no line": (_put(1, lambda lines: [lines[0], b"none\n", *lines[1:]]), lambda pages: None, "without a key, line 2"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_behind_right_hashes_is_found(
    fault: str, filled: Ledger, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hashes prove bytes, not sense: counts, cuts and order are checked against the lines themselves."""
    monkeypatch.setattr(verify_ledger, "READ_AHEAD", 1)  # so that a page is read in several turns
    change, change_root, told = FAULTS[fault]
    alter_rows(store, _as_they_are)
    assert check_tree(make_ledger(store), read_root(store)).good
    alter_rows(store, change, change_root)
    assert [line for line in check_tree(make_ledger(store), read_root(store)).problems if told in line]


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


EDITS: dict[str, tuple[Callable[[bytes], bytes], int, str]] = {
    "a row more": (lambda body: body + b"2030-01-01T00:00:00.000000Z,ff,1,more\n", 1, ""),
    "its last line break gone": (lambda body: body[:-1], 0, "in header or order"),
    "its last row cut": (lambda body: body[: body.rindex(b"\n", 0, -1) + 80], 1, ""),
    "two rows the other way round": (
        lambda body: b"".join((lines := body.splitlines(keepends=True))[:5] + lines[6:4:-1] + lines[7:]), 2, ""
    ),
    "many lines that are no rows": (lambda body: body + b"none\n" * 7, 0, "no row"),
}  # fmt: skip


@pytest.mark.parametrize("edit", EDITS)
def test_whatever_was_done_to_a_csv_is_told(
    edit: str, filled: Ledger, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However small the blocks are in which it is read; of lines that are no rows the first are told."""
    monkeypatch.setattr(published, "_CSV_BLOCK", 100)
    monkeypatch.setattr(published, "LISTED", 5)
    change, count, told = EDITS[edit]
    _alter(store, "image-data.csv", change)
    found = check_csv(filled)
    assert not found.good
    assert found.count == count
    assert len(found.problems) == (5 if told == "no row" else bool(told))
    assert all(told in problem for problem in found.problems)


@pytest.mark.parametrize("moment", [0, 1])
def test_a_csv_that_is_replaced_while_it_is_read_is_read_anew(moment: int, filled: Ledger, store: MemoryStore) -> None:
    """Bytes of two versions are never compared; whoever replaces it again and again is told about."""
    stored, content_type = store.objects["image-data.csv"]
    damaged = replace(stored, etag=f"{stored.etag}-2", body=stored.body.replace(b"bucket", b"basket", 1))
    store.objects["image-data.csv"] = (damaged, content_type)
    commit(filled, [insert(number) for number in range(10**6, 10**6 + 9)])
    watched = WatchedStore(store)
    exporter = make_ledger(store, 2)

    def published_before(call: Callable[[], bytes]) -> bytes:
        publish(exporter)
        return call()

    watched.on("get_range", "image-data.csv", published_before, after=moment)
    found = check_csv(make_ledger(watched, 3))  # type: ignore[arg-type]
    assert (found.good, found.checked["version"]) == (True, read_root(store).version)
    store.objects["image-data.csv"] = (damaged, content_type)
    watched.on("get_range", "image-data.csv", refuse(Refused("PreconditionFailed")), times=100)
    with pytest.raises(Refused, match="replaced 5 times"):
        check_csv(make_ledger(watched, 3))  # type: ignore[arg-type]


def _edited(stored: tuple[Stored, str]) -> tuple[Stored, str]:
    """Change a CSV, but neither its size nor what it says of itself."""
    body = stored[0].body.replace(b"image/jpeg", b"image/jpgg", 1)
    return replace(stored[0], body=body, etag=stored[0].etag[::-1]), stored[1]


def test_tree_and_csv_are_checked_together_by_reading_every_shard_once(filled: Ledger, store: MemoryStore) -> None:
    """And to the same end as one after the other: good, edited, gone, of another version, or replaced meanwhile."""

    def both(watched: WatchedStore | None = None) -> list[tuple[bool, int, list[str]]]:
        ledger = make_ledger(watched or store, 5)  # type: ignore[arg-type]
        return [(one.good, one.count, one.problems) for one in check_tree_and_csv(ledger, ledger.load_root()[0])]

    def apart() -> list[tuple[bool, int, list[str]]]:
        found = check_tree(make_ledger(store, 6), read_root(store)), check_csv(make_ledger(store, 7))
        return [(one.good, one.count, one.problems) for one in found]

    watched = WatchedStore(store)
    assert both(watched) == apart() == [(True, 0, []), (True, 0, [])]
    shards = [key for verb, key in watched.calls if verb == "get" and key.startswith("shards/")]
    assert len(shards) == len({*shards}) > 3
    stored = store.objects["image-data.csv"]
    for old, new in ((b"image/jpeg", b"image/jpgg"), (b"bucket", b"basket"), (b"\n", b"\n\n")):
        _alter(store, "image-data.csv", lambda body, old=old, new=new: body.replace(old, new, 1))  # type: ignore[misc]
        assert both() == apart()
        assert not both()[1][0]
        store.objects["image-data.csv"] = stored
    watched = WatchedStore(store)
    edited = _edited(stored)
    watched.on("head", "image-data.csv", first(lambda: store.objects.update({"image-data.csv": edited})), after=1)
    assert not both(watched)[1][0], "what it was compared with is another one by now"
    store.objects["image-data.csv"] = stored
    commit(filled, [insert(10**6)])
    assert both() == apart()
    watched = WatchedStore(store)
    watched.on("get_range", "image-data.csv", refuse(Refused("PreconditionFailed")), times=2, after=1)
    publish(filled)
    assert both(watched) == apart()
    pages = make_ledger(store, 8).objects.pages(read_root(store).rows.pages)
    shard = shard_key(next(iter(pages.values()))[0].sha256)
    lost = store.objects.pop(shard)
    with pytest.raises(Damaged, match="is missing"):
        both()
    store.objects[shard] = lost
    store.delete(["image-data.csv"])
    assert both() == apart() != [(True, 0, [])] * 2


def test_a_csv_that_is_behind_is_still_what_its_root_says(filled: Ledger, store: MemoryStore) -> None:
    """Behind is not wrong: the CSV is compared with the root that it names."""
    copies = [listed.key for listed in store.list("roots/")]
    kept = {key: store.objects[key] for key in copies}
    store.delete(copies)
    assert check_csv(make_ledger(store)).good, "the live root is what it names"
    store.objects.update(kept)
    commit(filled, [insert(10**6)])
    found = check_csv(filled)
    assert found.good
    assert found.checked["version"] == read_root(store).version - 1
    named = store.objects["image-data.csv"][0].metadata["root"]
    for key in copies:
        if named in key:
            _alter(store, key, lambda body: b"torn")
    assert "does not name a root" in check_csv(make_ledger(store)).problems[0]
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
    lost = [event("INSERT", item(10**6, title={"S": "lost"}))]
    write_segment(store, segment_with(lost))
    found = compare_with_journal(filled, FolderScratch(tmp_path / "scratch"))
    assert [both_sides(read_root(store).columns, one, *found.sides)["tree"] for one in found.differences] == [None]
    assert found.differences[0].right is not None
    assert b"lost" in found.differences[0].right
    assert not (tmp_path / "scratch").exists()
    assert found.checked["tree"] == read_root(store).tree_hash
    commit(filled, lost)
    assert found.checked["journal"] == read_root(store).tree_hash


def test_the_journal_is_read_in_as_many_processes_as_asked(
    filled: Ledger, store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each opens the bucket for itself, and how far they are is told."""
    given: dict[str, object] = {}

    def note(*_: object, **named: object) -> None:
        given.update(named)
        raise Refused("enough")

    def show(step: str, done: int, total: int) -> None:
        pass

    monkeypatch.setattr(verify_ledger, "replay", note)
    asked = {"open_store": lambda: store, "processes": 3, "progress": show, "report": print}
    with pytest.raises(Refused):
        compare_with_journal(filled, FolderScratch(tmp_path / "scratch"), **asked)  # type: ignore[arg-type]
    assert given == asked


def test_events_on_their_way_are_no_difference(filled: Ledger, store: MemoryStore, tmp_path: Path) -> None:
    """What is journaled but not merged when it is first looked at, and merged some seconds later, is not told.

    Nor what is on its way by then. What stays the same is; it is looked at in all rounds.
    """
    first, second, third = ([insert(10**6 + number)] for number in range(3))
    write_segment(store, segment_with(first))
    exporter = make_ledger(store, 2)
    meanwhile = iter([lambda: (commit(exporter, first), write_segment(store, segment_with(second)))])
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        for do in meanwhile:
            do()

    operator = replace(make_ledger(store, 3), sleep=sleep)
    notes: list[str] = []
    found = compare_with_journal(operator, FolderScratch(tmp_path / "scratch"), report=notes.append)
    assert found.good
    assert notes[0].startswith("1 differences")
    assert waits == [3.0]
    write_segment(store, segment_with(third))
    assert compare_with_journal(operator, FolderScratch(tmp_path / "scratch")).count == 2
    assert waits == [3.0] * 4


def test_what_is_merged_while_the_journal_is_read_is_no_difference(
    filled: Ledger, store: MemoryStore, tmp_path: Path
) -> None:
    """The rebuilt tree is caught up with the live one before they are compared."""
    commits = iter([[insert(10**6)]])
    exporter = make_ledger(store, 2)

    def show(step: str, done: int, total: int) -> None:
        for batch in commits if step == "reading events" and done == total else ():
            commit(exporter, batch)

    segments = sum(1 for _ in store.list("journal/"))
    found = compare_with_journal(make_ledger(store, 3), FolderScratch(tmp_path / "scratch"), progress=show)
    assert next(commits, None) is None
    assert (found.good, found.checked["segments"]) == (True, segments + 1)


def test_what_is_another_difference_at_every_look_is_on_its_way(
    filled: Ledger, store: MemoryStore, tmp_path: Path
) -> None:
    """Only what stays the same is told."""
    numbers = iter(range(10))

    def change(*_: object) -> None:
        new = b"image/%d" % next(numbers)
        alter_rows(store, _put(0, lambda lines: [re.sub(rb"image/\w+", new, line) for line in lines]))

    change()
    operator = replace(make_ledger(store, 3), sleep=change)
    assert compare_with_journal(operator, FolderScratch(tmp_path / "scratch")).good
    assert next(numbers) == 2, "at the second look none of the first was left"
    assert compare_with_journal(make_ledger(store, 4), FolderScratch(tmp_path / "scratch")).count > 0


def test_more_differences_than_are_listed_are_counted() -> None:
    """The first hundred are told one by one."""
    findings = Findings()
    findings.add(Difference(b"%d" % number, b"", None) for number in range(250))
    assert (len(findings.differences), findings.count, findings.good) == (100, 250, False)
    assert not Findings(problems=["a problem"]).good
    assert not Findings(count=1).good
    assert Findings().good


def test_how_far_a_check_is_is_told_every_few_shards(
    filled: Ledger, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not page by page: a page has a thousand shards, a gigabyte."""
    root = read_root(store)
    monkeypatch.setattr(verify_ledger, "READ_AHEAD", 1)
    told: list[tuple[int, int]] = []
    check_tree(filled, root, lambda step, done, total: told.append((done, total)))
    shards = sum(len(filled.objects.pages([page])[page.sha256]) for page in (*root.rows.pages, *root.removals.pages))
    assert len(told) == shards > len(root.rows.pages)
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]
    told.clear()
    assert check_csv(filled, lambda step, done, total: told.append((done, total))).good
    size = store.head("image-data.csv").size
    assert told == sorted(told)
    assert (len(told) > len(root.rows.pages), told[-1]) == (True, (size, size))
