"""Rows are sent to the lane in their order, each at least once, by as many runs as it takes."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any, cast

import pytest

from ledger import columns
from operations.bucket.reread import Reread, RereadReport
from operations.bucket.sources import Sources
from operations.readers.table import Table
from operations.rebuild.scratch import FolderScratch

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
FIRST = datetime(2026, 11, 25)  # as DuckDB gives times


class Rows:
    """A table of so many rows, whose ETags are in no order."""

    def __init__(self, count: int) -> None:
        self.count = count

    def rows(self, names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
        for number in range(self.count):
            time = FIRST + timedelta(milliseconds=number * 250)  # some of them in whole seconds
            row = ingested_at, etag, bucket, key, size = (
                time,
                f"{number * 7919 % 10007:05d}",
                "photos",
                str(number),
                number,
            )
            assert len(row) == len(names) == len((ingested_at, etag, bucket, key, size))
            yield dict(zip(names, row, strict=True))


class Lane:
    """Takes messages until so many batches came, then somebody presses Ctrl-C."""

    def __init__(self, most: int = 10**9) -> None:
        self.keys: list[int] = []
        self._most, self._lock = most, Lock()

    def send_message_batch(self, Entries: list[dict[str, str]], **_: Any) -> dict[str, Any]:  # noqa: N803
        with self._lock:
            self._most -= 1
            if self._most < 0:
                raise KeyboardInterrupt
            self.keys += [int(json.loads(one["MessageBody"])["detail"]["object"]["key"]) for one in Entries]
        return {"Successful": []}


Run = Callable[..., RereadReport]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def send(lane: Lane, count: int, choice: str = "iso > 1", now: datetime = NOW, **options: Any) -> RereadReport:
        table, scratch = cast("Table", Rows(count)), FolderScratch(tmp_path)
        again = Reread(table, choice, Sources(("photos",)), scratch, lambda: now)
        return again.send(lane, "seen", **options)

    return send


@pytest.mark.parametrize("batches", [0, 1, 40, 299])
def test_who_was_interrupted_goes_on_behind_what_was_surely_sent(batches: int, run: Run) -> None:
    """No row is left out, and none that was noted as sent is sent again; of those in flight nobody knows."""
    first, second = Lane(batches), Lane()
    with pytest.raises(KeyboardInterrupt):
        run(first, 3_000)
    report = run(second, 3_000)
    assert {*first.keys, *second.keys} == {*range(3_000)}
    assert second.keys[:1] == [report.before]
    assert sorted(second.keys) == [*range(report.before, 3_000)]
    assert report.before >= len(first.keys) - 400
    assert (report.rows, report.sent) == (3_000, 3_000 - report.before)


def test_a_limit_is_for_one_run_and_the_next_goes_on(run: Run) -> None:
    """The last one knows that nothing is left, so the one after it begins anew."""
    sent = []
    for _ in range(4):
        lane = Lane()
        run(lane, 60, limit=25)
        sent.append(sorted(lane.keys))
    assert sent == [[*range(25)], [*range(25, 50)], [*range(50, 60)], [*range(25)]]


@pytest.mark.parametrize(
    "other", [{"choice": "iso > 2"}, {"now": NOW + timedelta(days=1)}, {"reader": 1}], ids=["choice", "day", "reader"]
)
def test_another_wish_another_day_or_another_reader_begins_anew(
    other: dict[str, Any], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows before were sent for something else."""
    run(Lane(), 60, limit=25)
    monkeypatch.setattr(columns, "READER", columns.READER + other.pop("reader", 0))
    lane = Lane()
    run(lane, 60, **other)
    assert sorted(lane.keys) == [*range(60)]


def test_progress_and_report_count_every_row_once(run: Run) -> None:
    """Those of an earlier run are done, too."""
    run(Lane(), 60, limit=20)
    told: list[tuple[str, int, int]] = []
    report = run(Lane(), 60, progress=lambda *what: told.append(what))
    assert told[-1] == ("sending", 60, 60)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert report == RereadReport(rows=60, sent=40, before=20)
