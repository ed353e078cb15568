"""`backfill` and `verify table`: the export is started, waited for, used, and let go."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.doubles.export_files import write_full_export, write_incremental_export
from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from ledger.ledger import Ledger
from operations.cli import deployment
from operations.errors import ExportFailed
from operations.live.snapshot import snapshots
from operations.progress import silent
from operations.table_export.backfill import check_followed
from operations.table_export.request import wait_for_export
from operations.table_export.take import ExportRequest, exported_table, root_before
from tests.support.command_line import Ran
from tests.support.factories import START, Item, event, insert, item, make_ledger, model_csv
from tests.support.reader import read_csv, read_root

Run = Callable[..., Ran]
ARN = "arn:aws:dynamodb:eu-west-1:111122223333:table/Images/export/0017-abc"
ONE = ("--processes", "1")


class Table:
    """A table that can be exported, with the calls of a DynamoDB client that the commands make; no others.

    Attributes:
        items: what it holds.
        started: arguments of the exports that were started.
        waits: times that an export is in progress before it is done.
        bucket: that exports are written to.
    """

    def __init__(self, store: MemoryStore, items: Iterable[Item]) -> None:
        self.store = store
        self.items = list(items)
        self.changes: list[tuple[Item | None, Item | None]] = []
        self.started: list[dict[str, Any]] = []
        self.waits = 2
        self.failure = ""
        self.bucket = "exports"

    def describe_table(self, TableName: str) -> Any:  # noqa: N803
        assert TableName in ("Images", ARN.partition("/export")[0], "Sensors")
        return {"Table": {"TableArn": ARN.partition("/export")[0]}}

    def export_table_to_point_in_time(self, **arguments: Any) -> Any:
        self.started.append(arguments)
        return {"ExportDescription": {"ExportArn": ARN, "ExportStatus": "IN_PROGRESS"}}

    def describe_export(self, ExportArn: str) -> Any:  # noqa: N803
        assert ExportArn == ARN
        if self.failure:
            return {"ExportDescription": {"ExportStatus": "FAILED", "FailureCode": "X", "FailureMessage": self.failure}}
        if self.waits:
            self.waits -= 1
            return {"ExportDescription": {"ExportStatus": "IN_PROGRESS"}}
        if window := (self.started[-1] if self.started else {}).get("IncrementalExportSpecification"):
            key = write_incremental_export(
                self.store, self.changes, window["ExportFromTime"], window["ExportToTime"], name="0017-abc"
            )
        else:
            key = write_full_export(self.store, self.items, START + timedelta(hours=1), name="0017-abc")
        return {"ExportDescription": {"ExportStatus": "COMPLETED", "ExportManifest": key, "S3Bucket": self.bucket}}


@pytest.fixture
def table(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> Table:
    """A table with images 2 and 3."""
    made = Table(store, [item(2), item(3)])
    monkeypatch.setattr(deployment.boto3, "client", lambda service, **_: made)
    monkeypatch.setattr(Ledger.__init__, "__defaults__", _without_waiting())
    return made


def _without_waiting() -> tuple[Any, ...]:
    """Make new ledgers wait for nothing."""
    defaults = Ledger.__init__.__defaults__ or ()
    return tuple((lambda seconds: None) if getattr(one, "__name__", "") == "sleep" else one for one in defaults)


def test_a_backfill_exports_the_table_and_brings_the_csv_in_line(
    skyledger: Run, ledger: Ledger, store: MemoryStore, table: Table
) -> None:
    """The row that the table lacks goes, the item that the tree lacks comes, the CSV is published, the pin is gone."""
    commit(ledger, [insert(1), insert(2)])
    ran = skyledger("backfill", "--table", "Images", "--json")
    assert (ran.json["put"], ran.json["removed"], ran.json["exported_at"]) == (1, 1, "2026-11-25T09:00:00Z")
    assert read_csv(store) == model_csv([item(2), item(3)])
    assert table.started == [
        {
            "TableArn": ARN.partition("/export")[0],
            "S3Bucket": "exports",
            "S3Prefix": "table-exports",
            "ExportFormat": "DYNAMODB_JSON",
        }
    ]
    assert f"--export {ARN}" in ran.err
    assert not list(snapshots(ledger))


@pytest.mark.parametrize(
    "other",
    [
        ("--table", "Sensors"),
        ("--table", "arn:aws:dynamodb:eu-west-1:111122223333:table/Images2"),
        ("--export", ARN.replace("Images", "Image")),
    ],
)
def test_a_table_that_the_csv_is_not_of_is_refused(
    other: tuple[str, ...], skyledger: Run, ledger: Ledger, store: MemoryStore, table: Table
) -> None:
    """Its rows would take the place of all; nothing is exported, which costs. Its own is known by its ARN, too."""
    commit(ledger, [insert(1), insert(2)])
    before = dict(store.objects)
    ran = skyledger("backfill", *other)
    assert (ran.code, ran.err.startswith("skyledger: the CSV is of the table Images, not of ")) == (2, True), ran.err
    assert (store.objects, table.started) == (before, [])
    assert skyledger("backfill", "--table", ARN.partition("/export")[0], "--json").json["removed"] == 1


def test_a_table_is_taken_where_no_stream_was_followed_yet(skyledger: Run, ledger: Ledger, table: Table) -> None:
    """As one that was there before the exporter; and one that the stack follows now, as after it was restored."""
    ledger.load_root()
    assert skyledger("backfill", "--table", "Sensors", "--json").json["put"] == 2
    commit(ledger, [insert(1)])
    check_followed(ledger, ARN.replace("Images", "Restored"), "Restored")


def test_what_is_merged_while_the_export_starts_is_not_taken_for_gone(
    skyledger: Run, ledger: Ledger, store: MemoryStore, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The root is read before: a row that came after it says nothing of what the export should have."""
    commit(ledger, [insert(2)])
    start = Table.export_table_to_point_in_time
    rival = make_ledger(store, 2)

    def export(self: Table, **arguments: Any) -> Any:
        commit(rival, [insert(5)])
        return start(self, **arguments)

    monkeypatch.setattr(Table, "export_table_to_point_in_time", export)
    assert skyledger("backfill", "--table", "Images", "--json").json["removed"] == 0
    assert read_csv(store) == model_csv([item(2), item(3), item(5)])


def test_an_export_is_read_from_the_bucket_that_it_was_written_to(
    ledger: Ledger, store: MemoryStore, table: Table
) -> None:
    """One that somebody started elsewhere; its summary names no bucket, DynamoDB does."""
    commit(ledger, [insert(1)])
    table.store = other = MemoryStore()
    table.bucket = "elsewhere"
    request = ExportRequest(table, "exports", {"elsewhere": other}.__getitem__, arn=ARN)
    with exported_table(ledger, request, silent, lambda line: None) as taken:
        assert (taken.store, taken.export.items) == (other, 2)


def test_an_interrupted_backfill_goes_on_with_its_export_and_its_root(
    skyledger: Run, ledger: Ledger, store: MemoryStore, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The root that was read before is pinned, so that rows may be removed by it later."""
    commit(ledger, [insert(1), insert(2)])
    real = Table.describe_export
    monkeypatch.setattr(Table, "describe_export", lambda self, ExportArn: 1 / 0)  # noqa: N803
    assert skyledger("backfill", "--table", "Images").code == 70
    assert [one.name for one in snapshots(ledger)] == ["before-export-0017-abc"]
    monkeypatch.setattr(Table, "describe_export", real)
    assert skyledger("backfill", "--export", ARN, "--dry-run", "--json").json["removed"] == 1
    assert read_root(store).rows.rows == 2
    assert skyledger("backfill", "--export", ARN).code == 0
    assert read_csv(store) == model_csv([item(2), item(3)])
    assert len(table.started) == 1


def test_an_export_that_somebody_else_started_removes_nothing_without_an_older_root(
    skyledger: Run, ledger: Ledger, store: MemoryStore, table: Table
) -> None:
    """And with --keep-rows nothing is removed in any case."""
    commit(ledger, [insert(1), insert(2)])
    store.delete([listed.key for listed in store.list("roots/")])
    table.items.append(item(4) | {"revision": {"S": "none"}})
    ran = skyledger("backfill", "--export", ARN)
    assert "0 removed, 1 not in the export and kept" in ran.out
    assert ("comparing rows" in ran.err, "publishing image-data.csv" in ran.err) == (True, True)
    assert read_csv(store) == model_csv([item(1), item(2), item(3)])
    told = skyledger("backfill", "--table", "Images", "--keep-rows").out
    assert "2 items, and 1 that cannot be rows" in told
    assert " 0 removed, " in told
    assert [line for line in told.splitlines() if line.startswith("  ") and "revision" in line]


def test_since_exports_only_what_changed(skyledger: Run, ledger: Ledger, store: MemoryStore, table: Table) -> None:
    """An incremental export of the time asked for, with old and new images."""
    commit(ledger, [insert(1), insert(2)])
    table.changes = [(item(1), None), (None, item(3))]
    ran = skyledger(
        "backfill", "--table", "Images", "--since", "2026-11-25T08:00", "--until", "2026-11-25T09:00", "--json"
    )
    assert (ran.json["put"], ran.json["removed"]) == (1, 1)
    assert table.started[0]["ExportType"] == "INCREMENTAL_EXPORT"
    assert table.started[0]["IncrementalExportSpecification"] == {
        "ExportFromTime": datetime(2026, 11, 25, 8, tzinfo=UTC),
        "ExportToTime": datetime(2026, 11, 25, 9, tzinfo=UTC),
        "ExportViewType": "NEW_AND_OLD_IMAGES",
    }
    assert read_csv(store) == model_csv([item(2), item(3)])


def test_verify_table_proves_the_csv_against_the_table(
    skyledger: Run, ledger: Ledger, store: MemoryStore, table: Table
) -> None:
    """Exit code 0 and one hash, or 1 and the keys."""
    commit(ledger, [insert(2), insert(3)])
    good = skyledger("verify", "table", "--table", "Images", "--json")
    assert good.code == 0
    checked = good.json["table"]["checked"]
    assert checked["tree"] == checked["table"] == read_root(store).tree_hash
    commit(ledger, [event("INSERT", item(1))])
    bad = skyledger("verify", "table", "--export", ARN, "--json")
    assert bad.code == 1
    assert [(one["etag"], one["table"]) for one in bad.json["table"]["differences"]] == [(f"{1:032x}", None)]


def test_an_item_that_cannot_be_a_row_is_named_and_no_difference(
    skyledger: Run, ledger: Ledger, store: MemoryStore, table: Table
) -> None:
    """`backfill` and `verify table` end with 1 and its etag and reason; neither calls its row gone."""
    commit(ledger, [insert(1), insert(2), insert(3)])
    table.items.append(item(1) | {"revision": {"S": "1"}})
    named = f"{1:032x}: revision is not a whole number"
    ran = skyledger("backfill", "--table", "Images")
    assert (ran.code, read_csv(store)) == (1, model_csv([item(1), item(2), item(3)]))
    assert f"\n  {named}" in ran.out
    told = skyledger("verify", "table", "--export", ARN, "--json")
    assert told.code == 1
    assert told.json["table"]["problems"] == [f"an item cannot be a row: {named}"]
    assert told.json["table"]["differences"] == []


def test_an_export_that_fails_says_why(skyledger: Run, ledger: Ledger, table: Table) -> None:
    """DynamoDB's own words, in one line."""
    commit(ledger, [insert(1)])
    table.failure = "the bucket denies it"
    ran = skyledger("backfill", "--table", "Images")
    assert ran.code == 4
    assert "the export failed: X, the bucket denies it" in ran.err


def test_waiting_shows_progress_and_ends(table: Table) -> None:
    """Progress never stands at its end while the export still runs."""
    steps: list[tuple[int, int]] = []
    waits: list[float] = []
    table.waits = 100
    wait_for_export(table, ARN, lambda step, done, total: steps.append((done, total)), waits.append)
    assert waits == [10.0] * 100
    assert all(done < total for done, total in steps[:-1])
    assert steps[-1] == (1, 1)
    table.failure = "x"
    with pytest.raises(ExportFailed):
        wait_for_export(table, ARN, lambda step, done, total: None, waits.append)


def test_the_root_before_a_time_is_the_newest_copy_that_is_surely_older() -> None:
    """Copies of roots serve for exports that were started elsewhere."""
    time = [START]
    store = MemoryStore(now=lambda: time[0])
    ledger = make_ledger(store)
    for minutes in (0, 10, 20):
        time[0] = START + timedelta(minutes=minutes)
        commit(ledger, [insert(minutes)])
    found = root_before(ledger, START + timedelta(minutes=24))
    assert found is not None
    assert found.version == 2
    assert root_before(ledger, START) is None
