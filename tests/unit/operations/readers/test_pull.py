"""`pull` keeps a local copy equal to the tree, and fetches only what changed."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from ledger.errors import Damaged
from ledger.ledger import Ledger
from ledger.manifest import Targets, encode_root
from operations.errors import NotPulled
from operations.readers.pull import follow, pull
from tests.support.command_line import Ran
from tests.support.factories import event, insert, item, make_ledger, model_csv, modify
from tests.support.histories import deliver, history
from tests.support.reader import read_root, read_rows


@pytest.fixture
def counted(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keys that were read from the store."""
    read: list[str] = []
    real = store.get
    monkeypatch.setattr(store, "get", lambda key, **more: read.append(key) or real(key, **more))
    return read


def test_a_copy_is_the_tree(ledger: Ledger, store: MemoryStore, tmp_path: Path) -> None:
    """Header and rows, byte for byte, and nothing but copy and state in the folder."""
    made = history(1, 300)
    deliver(ledger, made)
    pulled = pull(ledger, tmp_path / "new")
    assert pulled.path.read_bytes() == read_rows(store) == model_csv(made.items.values())
    assert (pulled.changed, pulled.reused_bytes, pulled.rows) == (True, 0, read_root(store).rows.rows)
    assert sorted(path.name for path in pulled.path.parent.iterdir()) == [
        "image-data.csv",
        "image-data.csv-metadata.json",
        "image-data.csv.state.json",
    ]


def test_after_one_changed_row_only_its_shard_and_page_are_fetched(
    store: MemoryStore, counted: list[str], tmp_path: Path
) -> None:
    """What is unchanged comes from the old copy; a copy that is current costs one look at the root."""
    ledger = make_ledger(store, targets=Targets(2000, 10))
    commit(ledger, [insert(number) for number in range(1000)])
    first = pull(ledger, tmp_path)
    commit(make_ledger(store, 2), [modify(500, 2, title={"S": "new"})])
    counted.clear()
    second = pull(make_ledger(store, 3), tmp_path)
    read = sorted(key.partition("/")[0] for key in counted)
    assert second.path.read_bytes() == read_rows(store)
    assert second.fetched_shards <= 2
    assert second.fetched_bytes < first.fetched_bytes / 20
    assert read in (
        ["manifest", "manifest.json", "shards"],
        ["manifest", "manifest.json", "shards", "shards"],
    )
    counted.clear()
    third = pull(make_ledger(store, 4), tmp_path)
    assert not third.changed
    assert counted == ["manifest.json"]


@pytest.mark.parametrize("harm", ["edited", "cut", "gone", "state gone", "state foreign", "state altered"])
def test_a_copy_that_is_not_what_its_state_says_is_repaired(harm: str, store: MemoryStore, tmp_path: Path) -> None:
    """Every shard that is reused is checked against its hash first."""
    ledger = make_ledger(store)
    deliver(ledger, history(2, 200))
    path = pull(ledger, tmp_path).path
    state = path.with_name("image-data.csv.state.json")
    body = path.read_bytes()
    commit(ledger, [insert(10**6)])
    if harm == "edited":
        path.write_bytes(body.replace(b"image/jpeg", b"image/jp2x", 3))
    elif harm == "cut":
        path.write_bytes(body[: len(body) // 2])
    elif harm == "gone":
        path.unlink()
    elif harm == "state gone":
        state.unlink()
    elif harm == "state foreign":
        state.write_text('{"format": 99}')
    else:
        state.write_bytes(state.read_bytes().replace(b'rows\\":1', b'rows\\":2'))
    pulled = pull(ledger, tmp_path)
    assert pulled.path.read_bytes() == read_rows(store)
    assert pull(ledger, tmp_path).changed is False


def test_a_copy_that_was_edited_is_repaired_though_nothing_changed(store: MemoryStore, tmp_path: Path) -> None:
    """Another value of the same length: the size tells nothing, so the time does. What is as it was is not fetched."""
    ledger = make_ledger(store)
    deliver(ledger, history(2, 200))
    path = pull(ledger, tmp_path).path
    body = path.read_bytes()
    path.write_bytes(body.replace(b"image/jpeg", b"image/jp2x", 1))
    os.utime(path, ns=(0, 0))
    pulled = pull(ledger, tmp_path)
    assert (pulled.changed, pulled.fetched_shards) == (True, 1)
    assert path.read_bytes() == body
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
    stored, kind = store.objects[f"shards/{shard.sha256}.csv"]
    store.objects[f"shards/{shard.sha256}.csv"] = (replace(stored, body=stored.body[:-1] + b"x"), kind)
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


def test_a_folder_that_cannot_be_written_is_told(ledger: Ledger, tmp_path: Path) -> None:
    """One clear line, no half file."""
    commit(ledger, [insert(1)])
    (tmp_path / "file").write_text("")
    with pytest.raises(NotPulled, match=r"image-data\.csv"):
        pull(ledger, tmp_path / "file")


def test_follow_gives_every_new_tree_once(store: MemoryStore) -> None:
    """It looks, waits, and gives the root again only when the rows are others."""
    waits: list[float] = []
    writer = make_ledger(store, 2)
    steps: list[Callable[[], object]] = [
        lambda: commit(writer, [insert(1)]),
        lambda: commit(writer, [insert(1)]),
        lambda: commit(writer, [insert(2)]),
    ]

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if steps:
            steps.pop(0)()

    roots = follow(replace(make_ledger(store), sleep=sleep), 7.0)
    assert [next(roots).rows.rows for _ in range(3)] == [0, 1, 2]
    assert waits == [7.0] * 3


def test_the_command_pulls_follows_and_says_what_it_did(
    skyledger: Callable[..., Ran], ledger: Ledger, store: MemoryStore, tmp_path: Path
) -> None:
    """A snapshot can be pulled as well as the live tree."""
    commit(ledger, [event("INSERT", item(1))])
    assert skyledger("snapshot", "monday").code == 0
    commit(ledger, [event("INSERT", item(2))])
    live = skyledger("pull", str(tmp_path / "live"), "--json")
    assert (live.json["rows"], live.json["changed"]) == (2, True)
    assert "nothing new" in skyledger("pull", str(tmp_path / "live")).out
    old = skyledger("pull", str(tmp_path / "old"), "--snapshot", "monday", "--json")
    assert old.json["rows"] == 1
    assert (tmp_path / "old" / "image-data.csv").read_bytes() == model_csv([item(1)])
