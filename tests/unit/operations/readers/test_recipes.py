"""The READMEs' sections "Read it" and "Restore to a point in time", run as they are written."""

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import chdir
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer

from infra.doubles.memory_store import MemoryStore
from ledger.columns import NAMES
from ledger.commit import commit
from ledger.ledger import Ledger
from ledger.manifest import Root
from ledger.publish import publish
from operations.cli import deployment, pull
from tests.support.command_line import Ran
from tests.support.factories import START, event, item, make_ledger, model_csv
from tests.support.histories import apply
from tests.support.paths import ROOT
from tests.support.reader import read_csv
from tests.support.readmes import blocks, rows_of

FOR_USERS = ROOT / "README.md"
FOR_OPERATORS = ROOT / "infra" / "README.md"
COLUMNS_MD = ROOT / "functions" / "COLUMNS.md"
Run = Callable[..., Ran]
# What a reader that guesses would get wrong.
ITEMS = [
    item(1, model={"S": "M3E"}, iso={"N": "400"})
    | {"gps_latitude_deg": {"N": "52.5"}, "gps_longitude_deg": {"N": "13"}, "gps_altitude_m": {"N": "35"}}
    | {"captured_at": {"S": "2026-06-21T12:00:00"}},
    item(2, serial_number={"S": "00271029"}, title={"S": "=1+1"}, exif={"S": '{"Note":"a \\"b\\", c"}'}),
    item(3, model={"S": "NA"}, f_number={"N": "2.8"}, relative_altitude_m={"N": "80"})
    | {"etag": {"S": "0" * 29 + "e12"}},
]


def commands(code: str) -> Iterator[tuple[list[str], str]]:
    """Give the skyledger commands of a console block: their arguments, and the file that takes the output."""
    for line in code.splitlines():
        if line.startswith("$ "):
            line = re.sub(r'"\$\((.*?)\)"', lambda shell: _shell(shell[1]), line[2:])
            program, *arguments = shlex.split(line, comments=True)
            assert program == "skyledger"
            arguments, redirect = (arguments[:-2], arguments[-1]) if ">" in arguments else (arguments, "")
            yield arguments, redirect


def _shell(command: str) -> str:
    return subprocess.run(["sh", "-c", command], check=True, capture_output=True, text=True).stdout.strip()


def _follow_once(ledger: Ledger, _: float, copy: Callable[[Root], None], tell: Any) -> None:
    """Copy what is there, and end as by Ctrl-C."""
    copy(ledger.load_root()[0])
    raise typer.Exit


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    """The folder in which a reader works."""
    folder = tmp_path / "reader"
    folder.mkdir()
    with chdir(folder):
        yield folder


def test_every_line_of_read_it_runs(
    skyledger: Run, ledger: Ledger, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands exit with 0, Python blocks run, and every one of them reads all rows with the right types."""
    commit(ledger, [event("INSERT", one) for one in ITEMS])
    monkeypatch.setattr(pull, "follow", _follow_once)
    read: list[Any] = []
    for language, code in (*blocks(FOR_USERS, "Read it"), *blocks(COLUMNS_MD, "The CSV itself, with its types")):
        if language == "console":
            for arguments, redirect in commands(code):
                ran = skyledger(*arguments)
                assert ran.code == 0, (arguments, ran.err)
                if redirect:
                    (here / redirect).write_text(ran.out)
        else:
            assert language == "python"
            read.append(rows_of(code))
    assert (here / "photos" / "image-data.csv").read_bytes() == model_csv(ITEMS)
    assert {path.name for path in here.rglob("*")} >= {
        "image-data.parquet",
        "image-data.geojson",
        "image-data.xlsx",
        "image-data.csvt",
        "selection.parquet",
        "geo.txt",
        "pix4d.csv",
        "image-data.prj",
        "image-data.stac.ndjson",
        "athena.sql",
        "redshift.sql",
    }
    assert all(f"`{name}` string" in (here / "athena.sql").read_text() for name in NAMES)
    assert "COPY images" in (here / "redshift.sql").read_text()
    frame, groups, polar, tuples = read
    assert list(frame["etag"]) == list(polar["etag"]) == [one["etag"]["S"] for one in ITEMS]
    assert (frame["serial_number"][1], polar["serial_number"][1]) == ("00271029", "00271029")
    assert (frame["model"][2], polar["model"][2]) == ("NA", "NA")
    assert (frame["iso"][0], polar["iso"][0], frame["f_number"][2]) == (400, 400, 2.8)
    assert frame["iso"].isna().sum() == polar["iso"].null_count() == 2
    assert str(frame["ingested_at"].dtype).startswith("datetime64")
    assert sorted(groups, key=str) == sorted([("M3E", 1, None), (None, 1, None), ("NA", 1, 80.0)], key=str)
    assert tuples[1][NAMES.index("exif")] == '{"Note":"a \\"b\\", c"}'
    assert (tuples[2][NAMES.index("etag")], tuples[2][NAMES.index("f_number")]) == (ITEMS[2]["etag"]["S"], 2.8)


def test_a_stranger_can_restore_to_yesterday_14_00_from_the_readme_alone(
    skyledger: Run, store: MemoryStore, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steps, as they are written: what was there yesterday at 14:00, then undone again."""
    at = (datetime.now(UTC) - timedelta(days=1)).replace(hour=14, minute=0, second=0, microsecond=0)
    ledger = make_ledger(store)
    offset = int((at - START).total_seconds())
    first, changed = item(1), item(1, 2, title={"S": "later"})
    events = [
        event("INSERT", first, sequence=1, seconds=offset - 7200),
        event("INSERT", item(2), sequence=2, seconds=offset),
        event("MODIFY", changed, first, sequence=3, seconds=offset + 1),
        event("REMOVE", old=item(2), sequence=4, seconds=offset + 600),
    ]
    for one in events:
        commit(ledger, [one])
    publish(ledger)
    yesterday = model_csv([first, item(2)])
    now_items: dict[str, Any] = {}
    for one in events:
        apply(now_items, one)
    switched: list[bool] = []

    class Services:
        def describe_stacks(self, **_: Any) -> Any:
            outputs = {"ExportBucketName": "exports", "StreamMappingId": "m"}
            return {"Stacks": [{"Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in outputs.items()]}]}

        def update_event_source_mapping(self, Enabled: bool, **_: Any) -> Any:  # noqa: N803
            switched.append(Enabled)
            return {"State": "Enabling"}

        def get_event_source_mapping(self, **_: Any) -> Any:
            return {"State": "Disabled"}

    monkeypatch.setattr(deployment.boto3, "client", lambda service, **_: Services())
    monkeypatch.setenv("SKYLEDGER_STACK", "skyledger")
    for language, code in blocks(FOR_OPERATORS, "Restore to a point in time"):
        assert language == "console"
        for arguments, _ in commands(code):
            more = ["--processes", "1"] if arguments[0] in ("replay", "restore") else []
            more += ["--yes"] if arguments[0] == "restore" else []  # nobody is there to be asked
            ran = skyledger(*arguments, *more)
            assert ran.code == 0, (arguments, ran.err)
            if arguments[:2] == ["restore", "--to"]:
                assert read_csv(store) == yesterday
    assert switched == [False, True]
    assert read_csv(store) == model_csv(now_items.values())
    assert (here / "yesterday" / "image-data.csv").read_bytes() == yesterday
