"""`pull` keeps a local copy equal to the tree, and fetches only what changed."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from ledger.errors import Damaged
from ledger.keys import shard_digest, shard_key
from ledger.ledger import Ledger
from ledger.manifest import Targets, encode_root
from operations.errors import NotPulled, OtherLedger
from operations.readers.pull import Origin, pull
from tests.support.command_line import Ran
from tests.support.factories import event, insert, item, make_ledger, model_csv, modify
from tests.support.faulty_tree import Pages, alter_rows
from tests.support.histories import deliver, history
from tests.support.reader import read_root, read_rows, read_shard


@pytest.fixture
def counted(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keys that were read from the store."""
    read: list[str] = []
    real = store.get
    monkeypatch.setattr(store, "get", lambda key, **more: read.append(key) or real(key, **more))
    return read


def _bytes_of_tree(store: MemoryStore, keys: list[str]) -> int:
    return sum(store.objects[key][0].size for key in keys if key != "manifest.json")


def test_a_copy_is_the_tree(ledger: Ledger, store: MemoryStore, tmp_path: Path) -> None:
    """Header and rows, byte for byte, and nothing but copy and state in the folder."""
    made = history(1, 300)
    deliver(ledger, made)
    steps: list[tuple[str, int, int]] = []
    pulled = pull(ledger, tmp_path / "new" / "folder", progress=lambda *step: steps.append(step))
    rows = read_root(store).rows.rows
    assert steps[-1] == ("writing rows", rows, rows)
    assert pulled.path.read_bytes() == read_rows(store) == model_csv(made.items.values())
    assert (pulled.changed, pulled.reused_bytes, pulled.rows) == (True, 0, read_root(store).rows.rows)
    assert sorted(path.name for path in pulled.path.parent.iterdir()) == [
        "image-data.csv",
        "image-data.csv-metadata.json",
        "image-data.csv.state.json",
    ]
    assert not pull(ledger, tmp_path / "new" / "folder", progress=lambda *step: steps.append(step)).changed
    assert steps[-1] == ("checking the copy", rows, rows)


def test_after_one_changed_row_only_its_shard_and_page_are_fetched(
    store: MemoryStore, counted: list[str], tmp_path: Path
) -> None:
    """What is unchanged comes from the old copy; a copy that is current costs one look at the root."""
    ledger = make_ledger(store, targets=Targets(2000, 10))
    commit(ledger, [insert(number) for number in range(1000)])
    first = pull(ledger, tmp_path)
    assert first.fetched_shards == sum(key.startswith("shards/") for key in counted) > 16
    assert first.fetched_bytes == _bytes_of_tree(store, counted)
    commit(make_ledger(store, 2), [modify(500, 2, title={"S": "new"})])
    counted.clear()
    second = pull(make_ledger(store, 3), tmp_path)
    came = [*counted]
    read = sorted(key.partition("/")[0] for key in came)
    assert second.path.read_bytes() == read_rows(store)
    assert second.fetched_shards <= 2
    assert second.fetched_bytes == _bytes_of_tree(store, came)
    shards = [key for key in came if key.startswith("shards/")]
    lines = sum(len(read_shard(store, shard_digest(key))) for key in shards)
    assert second.reused_bytes == read_root(store).rows.bytes - lines
    assert second.fetched_bytes < first.fetched_bytes / 10, "pages are not compressed"
    assert read in (
        ["manifest", "manifest.json", "shards"],
        ["manifest", "manifest.json", "shards", "shards"],
    )
    counted.clear()
    third = pull(make_ledger(store, 4), tmp_path)
    assert not third.changed
    assert counted == ["manifest.json"]


def _state(path: Path) -> Path:
    return path.with_name("image-data.csv.state.json")


def _edit(path: Path) -> None:
    """Change a value, and neither size nor time: the copy's time is as it was, to the nanosecond."""
    time = path.stat().st_mtime_ns
    path.write_bytes(path.read_bytes().replace(b"image/jpeg", b"image/jp2x", 1))
    os.utime(path, ns=(time, time))


def _swap_shards(path: Path) -> None:
    """Let a page of the state file name its first two shards in the other order, under its old hash."""
    state = json.loads(_state(path).read_bytes())
    name, text = next((name, text) for name, text in state["pages"].items() if text.count("sha256") > 1)
    page = json.loads(text)
    page["shards"][:2] = page["shards"][1::-1]
    _state(path).write_text(json.dumps(state | {"pages": state["pages"] | {name: json.dumps(page)}}))


HARMS: dict[str, Callable[[Path], object]] = {
    "edited": _edit,
    "header edited": lambda path: path.write_bytes(path.read_bytes().replace(b"etag", b"gate", 1)),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"more\n"),
    "gone": lambda path: path.unlink(),
    "state gone": lambda path: _state(path).unlink(),
    "state torn": lambda path: _state(path).write_bytes(_state(path).read_bytes()[:100]),
    "state foreign": lambda path: _state(path).write_text('{"format": 99}'),
    "state of an older format": lambda path: _state(path).write_bytes(
        _state(path).read_bytes().replace(b'"format":1', b'"format":0')
    ),
    "state altered": _swap_shards,
    "description gone": lambda path: path.with_name("image-data.csv-metadata.json").unlink(),
    "description edited": lambda path: path.with_name("image-data.csv-metadata.json").write_text("{}"),
}


@pytest.mark.parametrize("is_behind", [False, True], ids=["same tree", "newer tree"])
@pytest.mark.parametrize("harm", HARMS)
def test_a_copy_that_is_not_what_its_state_says_is_repaired(
    harm: str, is_behind: bool, ledger: Ledger, store: MemoryStore, tmp_path: Path
) -> None:
    """Whether the tree is another one or not: no byte is believed that was not read, and what is right is kept."""
    deliver(ledger, history(2, 200))
    path = pull(ledger, tmp_path).path
    description = path.with_name("image-data.csv-metadata.json")
    described = description.read_bytes()
    if is_behind:
        commit(ledger, [insert(10**6)])
    HARMS[harm](path)
    pulled = pull(ledger, tmp_path)
    assert path.read_bytes() == read_rows(store)
    assert description.read_bytes() == described
    assert pulled.changed
    if harm == "edited":
        assert 1 <= pulled.fetched_shards <= (2 if is_behind else 1)
    assert pull(ledger, tmp_path).changed is False


def test_a_damaged_shard_leaves_the_old_copy(store: MemoryStore, tmp_path: Path) -> None:
    """All or nothing: what cannot be verified does not replace the copy, and leaves no half file."""
    ledger = make_ledger(store)
    commit(ledger, [insert(1)])
    path = pull(ledger, tmp_path).path
    before = path.read_bytes()
    commit(ledger, [insert(number) for number in range(2, 50)])
    page = read_root(store).rows.pages[-1]
    shard = ledger.objects.pages([page])[page.sha256][-1]
    stored, kind = store.objects[shard_key(shard.sha256)]
    store.objects[shard_key(shard.sha256)] = (replace(stored, body=stored.body[:-1] + b"x"), kind)
    with pytest.raises(Damaged, match=shard.sha256):
        pull(make_ledger(store, 2), tmp_path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 3


def test_other_columns_are_another_header_over_the_same_file(store: MemoryStore, tmp_path: Path) -> None:
    """After a change of schema the copy is the new tree's."""
    ledger = make_ledger(store)
    commit(ledger, [insert(1)])
    pull(ledger, tmp_path)
    other = make_ledger(MemoryStore())
    root, etag = other.load_root()
    columns = root.columns[:9]
    other.store.put_if_match(  # type: ignore[attr-defined]
        "manifest.json", encode_root(replace(root, columns=columns)), etag, "application/json", {}
    )
    fresh = make_ledger(other.store, 2)  # type: ignore[arg-type]
    commit(fresh, [insert(1)])
    assert pull(fresh, tmp_path).path.read_bytes() == model_csv([item(1)], columns)


@pytest.mark.parametrize("in_the_way", ["file", "folder"])
def test_a_folder_that_cannot_be_written_is_told(in_the_way: str, ledger: Ledger, tmp_path: Path) -> None:
    """One clear line, no half file."""
    commit(ledger, [insert(1)])
    if in_the_way == "file":
        (tmp_path / "copy").write_text("")
    else:
        (tmp_path / "copy" / "image-data.csv").mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(NotPulled, match=r"image-data\.csv: \w"):
        pull(ledger, tmp_path / "copy")
    assert sorted(tmp_path.rglob("*")) == before


def test_the_copy_is_on_disk_before_it_takes_the_old_ones_place(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a power cut could leave the new name with none of the bytes, and the old copy gone."""
    commit(ledger, [insert(1)])
    old = pull(ledger, tmp_path).path.read_bytes()
    commit(ledger, [insert(2)])
    synced: list[tuple[int, bytes]] = []
    path = tmp_path / "image-data.csv"
    monkeypatch.setattr(os, "fsync", lambda number: synced.append((os.fstat(number).st_size, path.read_bytes())))
    pull(ledger, tmp_path)
    assert synced == [(path.stat().st_size, old)]


@pytest.mark.parametrize("said", [-1, 1])
def test_a_page_that_counts_wrong_is_damaged(said: int, ledger: Ledger, store: MemoryStore, tmp_path: Path) -> None:
    """Its hash is right, and so is the shard's: but where the next shard stands is not what the page says."""
    deliver(ledger, history(2, 200))

    def miscount(pages: Pages) -> None:
        entry, body = pages[0][0]
        pages[0][0] = (entry._replace(bytes=entry.bytes + said), body)

    alter_rows(store, miscount)
    with pytest.raises(Damaged, match=r"bytes that (its page says|it may have)"):
        pull(make_ledger(store, 2), tmp_path)
    assert [*tmp_path.iterdir()] == []


def test_the_command_pulls_and_says_what_it_did(
    skyledger: Callable[..., Ran], ledger: Ledger, store: MemoryStore, counted: list[str], tmp_path: Path
) -> None:
    """A snapshot can be pulled as well as the live tree; a format that is named twice is written once."""
    commit(ledger, [event("INSERT", item(1))])
    assert skyledger("snapshot", "monday").code == 0
    commit(ledger, [event("INSERT", item(2))])
    counted.clear()
    live = skyledger("pull", str(tmp_path / "live"), "--json", "--format", "csvt", "--format", "csvt")
    assert "writing rows" in live.err
    path = tmp_path / "live" / "image-data.csv"
    assert live.json == {
        "version": 2,
        "tree": read_root(store).tree_hash,
        "rows": 2,
        "bytes": path.stat().st_size,
        "path": str(path),
        "changed": True,
        "fetched_bytes": _bytes_of_tree(store, counted),
        "fetched_shards": sum(key.startswith("shards/") for key in counted),
        "reused_bytes": 0,
        "files": [{"path": f"{path}t", "rows": None, "left_out": {}, "folders": {}}],
        "stale": {},
    }
    assert skyledger("pull", str(path.parent)).out == f"{path}: version 2, 2 rows, nothing new\n"
    old = skyledger("pull", str(tmp_path / "old"), "--snapshot", "monday").out
    assert old.startswith(f"{tmp_path / 'old' / 'image-data.csv'}: snapshot monday, 1 rows, fetched ")
    assert (tmp_path / "old" / "image-data.csv").read_bytes() == model_csv([item(1)])


HERE, THERE = Origin("here"), Origin("there")
LOCAL, LATER = Origin("here", "http://127.0.0.1:1"), Origin("here", "http://127.0.0.1:2")


def _origin(path: Path) -> Origin | None:
    noted = json.loads(_state(path).read_bytes())["origin"]
    return Origin(**noted) if noted else None


@pytest.mark.parametrize("noted", [HERE, LOCAL, None])
def test_a_copy_of_another_ledger_is_left_as_it_is(noted: Origin | None, ledger: Ledger, tmp_path: Path) -> None:
    """Of another bucket, whatever it holds; of one of this name elsewhere, or of one not noted, if no row is shared."""
    deliver(ledger, history(2, 200))
    path = pull(ledger, tmp_path, origin=noted).path
    other = make_ledger(MemoryStore(), 2)
    commit(other, [insert(10**6)])
    empty = make_ledger(MemoryStore(), 3)
    files = {one: one.read_bytes() for one in tmp_path.iterdir()}
    for stranger in (other, empty):
        with pytest.raises(OtherLedger, match=f"{tmp_path} has a copy .*in bucket here at http://x"):
            pull(stranger, tmp_path, origin=Origin("here", "http://x"))
    if noted:
        with pytest.raises(OtherLedger, match=f"in bucket {noted}, and this is bucket there"):
            pull(ledger, tmp_path, origin=THERE)
    assert {one: one.read_bytes() for one in tmp_path.iterdir()} == files
    commit(ledger, [insert(10**6)])
    assert pull(ledger, tmp_path, origin=noted).path.read_bytes() != files[path], "its own ledger goes on"


@pytest.mark.parametrize("is_behind", [False, True], ids=["same tree", "newer tree"])
@pytest.mark.parametrize(("noted", "origin"), [(None, HERE), (LOCAL, LATER)], ids=["not noted", "another port"])
def test_a_copy_whose_rows_are_the_ledgers_is_adopted(
    noted: Origin | None, origin: Origin, is_behind: bool, ledger: Ledger, store: MemoryStore, tmp_path: Path
) -> None:
    """That of an older Skyledger, and of a local stack that has another port today: and then it is noted."""
    deliver(ledger, history(2, 200))
    path = pull(ledger, tmp_path, origin=noted).path
    if is_behind:
        commit(ledger, [insert(10**6)])
    assert pull(ledger, tmp_path, origin=origin).changed == is_behind
    assert _origin(path) == origin
    assert path.read_bytes() == read_rows(store)
    commit(ledger, [insert(10**6 + 1)])
    assert pull(ledger, tmp_path).changed
    assert _origin(path) == origin, "who does not say where it is from forgets nothing"


def test_in_its_own_bucket_all_rows_may_be_others(ledger: Ledger, tmp_path: Path) -> None:
    """All photos were deleted, or a snapshot is copied: it is what was asked for. An empty copy is anybody's."""
    pull(ledger, tmp_path)
    commit(ledger, [insert(1)])
    assert pull(ledger, tmp_path, origin=HERE).rows == 1
    commit(ledger, [event("REMOVE", old=item(1), sequence=9), insert(2)])
    assert pull(ledger, tmp_path, origin=HERE).rows == 1


def test_the_command_notes_bucket_and_endpoint_and_refuses_another(
    skyledger: Callable[..., Ran], ledger: Ledger, tmp_path: Path
) -> None:
    """In one line that says which, and what to do; also to follow it."""
    commit(ledger, [insert(1)])
    local = ("--endpoint-url", "http://127.0.0.1:1")
    assert skyledger("pull", str(tmp_path / "copy"), *local).code == 0
    assert _origin(tmp_path / "copy" / "image-data.csv") == Origin("exports", "http://127.0.0.1:1")
    for more in ((), ("--follow",)):
        ran = skyledger("pull", str(tmp_path / "copy"), "--bucket", "another", *more)
        assert (ran.code, ran.err.count("OtherLedger")) == (2, 0)
        assert "in bucket exports at http://127.0.0.1:1, and this is bucket another (give another folder, or" in ran.err
    assert skyledger("pull", "copy", "--follow", "--snapshot", "s").code == 2
