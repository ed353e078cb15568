"""A row and the records of its ETag agree, or it is said how they do not."""

from pathlib import Path

import pytest

from operations.bucket.compare import Kind
from operations.bucket.lines import escape
from operations.bucket.rows import Image, Row, compare_rows
from operations.bucket.sources import Sources
from operations.rebuild.scratch import FolderScratch
from operations.rebuild.scratch_names import ROWS
from operations.rebuild.sorted_runs import Sorter

LIFE, OTHER = "2026-11-25T08:00:00.000000Z", "2026-11-25T09:00:00.000000Z"
A, B = b"photos/a", b"photos/b"
TWO = [(A, LIFE), (B, "")]


@pytest.mark.parametrize(
    ("rows", "records", "kind", "why"),
    [
        ([], [], None, ""),
        ([Row(2, LIFE, B)], TWO, None, ""),
        ([], TWO, Kind.MISSING, "no row"),
        ([Row(1, LIFE, A)], [], Kind.PHANTOM, "a row of e, and no record"),
        ([Row(1, LIFE, A)], TWO, Kind.STALE, "the row of e counts 1 objects, there are 2"),
        ([Row(2, LIFE, A), Row(2, OTHER, A)], TWO, Kind.STALE, "2 rows of e"),
        ([Row(2, LIFE, b"photos/c")], TWO, Kind.STALE, "the row of e is not about its objects"),
        ([Row(2, OTHER, A)], TWO, Kind.STALE, "the row of e is not about its objects"),
    ],
)
def test_rows_and_records_are_judged(
    rows: list[Row], records: list[tuple[bytes, str]], kind: Kind | None, why: str
) -> None:
    """By number, by name, and by whose list an object is on; records that do not say it are on the row's."""
    image = Image("e", rows)
    for name, life in records:
        image.add_record(name, life)
    assert image.kind is kind
    if kind is not None:
        assert image.why == why
        assert image.to_send == [*dict.fromkeys([*(name for name, _ in records), *(row.name for row in rows)])]
        assert image.wrong_row == (rows[0].ingested_at if rows and records else "")
        assert image.name == (records[0][0] if records else A)


def test_rows_and_records_of_an_etag_come_together_whatever_it_is(tmp_path: Path) -> None:
    """One that begins as another does, or ends as a line does; young rows, and those of no source, may lack records."""
    scratch = FolderScratch(tmp_path)
    rows = Sorter(scratch, ROWS)
    etags = ["e", "e-2", "e\n", "young", "outside", "to come"]
    for etag in etags:
        name = b"other/a" if etag == "outside" else A
        life = {"young": OTHER, "to come": "2190-01-01T00:00:00.000000Z"}.get(etag, LIFE)
        rows.add(b"%b\0\0%d\t%b\t%b\n" % (escape(etag), 1, life.encode(), name))
    rows.close()
    holders = sorted(b"%b\0%b\0%b\n" % (escape(etag), A, LIFE.encode()) for etag in ("e", "e-2", "f"))
    found = [*compare_rows(iter(holders), scratch, Sources(("photos",)), OTHER)]
    assert [(one.etag, one.kind) for one in found] == [
        ("e\n", Kind.PHANTOM),
        ("f", Kind.MISSING),
        ("to come", Kind.PHANTOM),
    ]
    later = [one.etag for one in compare_rows(iter(holders), scratch, Sources(("photos", "other")), "")]
    assert later == ["e\n", "f", "outside", "to come", "young"]
