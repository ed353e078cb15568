"""Formats that stand beside the CSV are kept equal to it, or named as what they are."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.columns import NAMES
from ledger.commit import commit
from ledger.keys import ROOT_KEY
from ledger.ledger import Ledger
from ledger.manifest import encode_root
from operations.readers import formats, spreadsheet
from tests.support.command_line import Ran
from tests.support.factories import event, item, make_ledger

Run = Callable[..., Ran]
AT = {"gps_latitude_deg": {"N": "1"}, "gps_longitude_deg": {"N": "2"}}


# A database takes most of its time for columns.
COLUMNS = (*NAMES[:9], "model", "iso", "gps_latitude_deg", "gps_longitude_deg", "gps_altitude_m", "captured_at")


@pytest.fixture
def ledger(store: MemoryStore) -> Ledger:
    """A ledger with a few columns."""
    root, etag = make_ledger(store).load_root()
    store.put_if_match(ROOT_KEY, encode_root(replace(root, columns=COLUMNS)), etag, "application/json", {})
    return make_ledger(store)


def put(ledger: Ledger, *numbers: int, **more: dict[str, str]) -> None:
    """Let images arrive."""
    commit(ledger, [event("INSERT", item(number, **more), sequence=number + 1) for number in numbers])


def rows(path: Path) -> int:
    """Count the rows of a Parquet or CSV file."""
    return len(duckdb.sql(f"FROM '{path}'").fetchall())


def test_formats_that_stand_there_follow_the_csv(skyledger: Run, ledger: Ledger, tmp_path: Path) -> None:
    """Whole and chosen ones; what was deleted stays away, and a file that is not ours is left alone."""
    put(ledger, 1, 2, iso={"N": "400"})
    there = str(tmp_path)
    skyledger("pull", there, "--format", "parquet", "--format", "csvt", "--format", "geojson")
    skyledger("pull", there, "--where", "iso = 400", "--format", "parquet", "--format", "csv")
    (tmp_path / "image-data.geojson").unlink()
    (tmp_path / "image-data.xlsx").write_text("mine")
    put(ledger, 3, 4)
    put(ledger, 5, iso={"N": "400"})
    told = skyledger("pull", there, "--json").json
    assert {Path(one["path"]).name for one in told["files"]} == {
        *("image-data.parquet", "image-data.csvt", "selection.parquet", "selection.csv")
    }
    assert told["stale"] == {}
    counts = {name: rows(tmp_path / name) for name in ("image-data.parquet", "selection.parquet", "selection.csv")}
    assert counts == {"image-data.parquet": 5, "selection.parquet": 3, "selection.csv": 3}
    assert (tmp_path / "image-data.xlsx").read_text() == "mine"
    assert not (tmp_path / "image-data.geojson").exists()
    assert skyledger("pull", there, "--json").json["files"] == []


def test_an_interrupted_refresh_is_made_up_for_by_the_next_pull(
    skyledger: Run, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CSV is current by then, and the format is not."""
    put(ledger, 1)
    skyledger("pull", str(tmp_path), "--format", "parquet")
    put(ledger, 2)
    with monkeypatch.context() as patched:
        patched.setattr("operations.readers.standing.write", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        assert skyledger("pull", str(tmp_path)).code == 130
    assert rows(tmp_path / "image-data.parquet") == 1
    told = skyledger("pull", str(tmp_path), "--json").json
    assert (told["changed"], rows(tmp_path / "image-data.parquet")) == (False, 2)


def test_a_format_that_was_written_before_an_interrupt_is_followed_too(
    skyledger: Run, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands there, whatever became of the others that were asked for with it."""
    put(ledger, 1)
    with monkeypatch.context() as patched:
        patched.setitem(formats._WRITERS, formats.Format.CSVT, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert skyledger("pull", str(tmp_path), "--format", "parquet", "--format", "csvt").code == 130
    put(ledger, 2)
    skyledger("pull", str(tmp_path))
    assert rows(tmp_path / "image-data.parquet") == 2


def test_a_selection_never_takes_the_place_of_the_whole(skyledger: Run, ledger: Ledger, tmp_path: Path) -> None:
    """Every format has two names."""
    put(ledger, 1, 2, iso={"N": "400"}, **AT, gps_altitude_m={"N": "3"})
    put(ledger, 3, **AT, gps_altitude_m={"N": "3"})
    forms = [one for form in ("parquet", "geojson", "stac", "xlsx", "geo.txt", "pix4d") for one in ("--format", form)]
    skyledger("pull", str(tmp_path), *forms)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    told = skyledger("pull", str(tmp_path), *forms, "--where", "iso = 400", "--json").json
    assert {Path(one["path"]).name for one in told["files"]} == {
        *("selection.parquet", "selection.geojson", "selection.stac.ndjson", "selection.xlsx"),
        *("selection.geo.txt", "selection.pix4d.csv"),
    }
    del before["image-data.csv.formats.json"]
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


def test_files_that_another_number_of_folders_made_go(skyledger: Run, ledger: Ledger, tmp_path: Path) -> None:
    """One file for all, then one for each folder, then one for all again: those of before would be stale."""
    put(ledger, 1, key={"S": "a/x.jpg"}, **AT)
    skyledger("pull", str(tmp_path), "--format", "geo.txt")
    again = item(2, key={"S": "b/x.jpg"}, **AT)
    commit(ledger, [event("INSERT", again, sequence=5)])
    skyledger("pull", str(tmp_path))
    assert sorted(path.name for path in tmp_path.glob("geo*/*")) == ["geo-a.txt", "geo-b.txt"]
    assert not (tmp_path / "geo.txt").exists()
    (tmp_path / "geo" / "geo-a.txt").unlink()  # one that is left stands for all: it must not become stale
    commit(ledger, [event("REMOVE", old=again, sequence=6)])
    skyledger("pull", str(tmp_path))
    assert (list(tmp_path.glob("geo*/*")), (tmp_path / "geo.txt").exists()) == ([], True)


def test_what_cannot_be_refreshed_is_named(
    skyledger: Run, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sheet that became too small, a condition that cannot be asked of a new row: the CSV is pulled all the same."""
    put(ledger, 1, model={"S": "7"})
    skyledger("pull", str(tmp_path), "--format", "xlsx")
    skyledger("pull", str(tmp_path), "--format", "geojson", "--where", "model::INTEGER = 7")
    put(ledger, 2, model={"S": "seven"})
    monkeypatch.setattr(spreadsheet, "MOST_ROWS", 2)
    ran = skyledger("pull", str(tmp_path), "--json")
    assert ran.code == 0
    assert list(ran.json["stale"]) == ["image-data.xlsx", "selection.geojson"]
    assert "image-data.xlsx: of an older version (a sheet holds 1 rows, these are 2" in skyledger("pull", tmp_path).out
    assert skyledger("pull", str(tmp_path), "--format", "xlsx").code == 2


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "no JSON",
        '{"x": {}}',
        '{"x": 5}',
        '{"whole geo.txt": {"form": "geo.txt", "where": "", "tree": "", "files": [5]}}',
        '{"x": {"form": "docx", "where": "", "tree": "", "files": ["image-data.csv"]}}',
        '{"whole geo.txt": {"form": "geo.txt", "where": "", "tree": "", "files": ["../victim"]}}',
        '{"whole geo.txt": {"form": "geo.txt", "where": "", "tree": "", "files": ["VICTIM"]}}',
    ],
)
def test_a_record_that_somebody_wrote_does_no_harm(
    content: str, skyledger: Run, ledger: Ledger, tmp_path: Path
) -> None:
    """It is forgotten, and no file outside the folder is deleted by it."""
    victim, there = tmp_path / "victim", tmp_path / "there"
    victim.touch()
    there.mkdir()
    put(ledger, 1, **AT)
    (there / "image-data.csv.formats.json").write_text(content.replace("VICTIM", str(victim)))
    ran = skyledger("pull", str(there), "--format", "geo.txt", "--json")
    assert (ran.code, len(ran.json["files"]), victim.exists()) == (0, 1, True)
    assert list(json.loads((there / "image-data.csv.formats.json").read_text())) == ["whole geo.txt"]
