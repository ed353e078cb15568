"""Records of an export become sorted lines, twice if the rows are to be compared, too."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.doubles.export_files import write_full_export, write_incremental_export
from infra.doubles.memory_store import MemoryStore
from ledger.errors import Damaged
from operations.bucket.known import Known, holders, records, sort_known
from operations.bucket.lines import Record, bucket_and_key, name_of, read_record
from operations.progress import silent
from operations.rebuild import sorted_runs
from operations.rebuild.scratch import FolderScratch
from operations.table_export.files import read_export
from tests.support.factories import START

AT = "2026-11-26T12:00:00Z"
IMAGE = {"etag": {"S": "e1"}, "size_bytes": {"N": "5"}, "last_modified": {"S": AT}, "sequencer": {"S": "0"}}
ITEMS: list[tuple[str, dict[str, Any], Record | None]] = [
    ("photos/b.jpg", IMAGE, Record("e1", 5, AT, None)),
    ("photos/a\nb.jpg", IMAGE | {"etag": {"S": "e0"}, "ingested_at": {"S": "life"}}, Record("e0", 5, AT, None)),
    ("photos/c.jpg", {"etag": {"S": "e0"}, "last_modified": {"S": "by hand"}}, Record("e0", None, "", None)),
    ("photos/gone", {"expires_at": {"N": "1"}}, Record("", None, "", None)),
    ("photos/text", {"refused": {"S": "e2"}, "reader": {"N": "3"}}, Record("e2", None, "", 3)),
    ("photos/old-text", {"refused": {"S": "e2"}}, Record("e2", None, "", 0)),
    ("photos/strange", {"etag": {"N": "5"}}, Record("", None, "", None)),
    ("photos/odd", {"etag": {"S": "e"}, "size_bytes": {"N": "many"}}, None),
]


@pytest.mark.parametrize("buffer", [1, 1 << 20])
def test_records_are_sorted_by_name_and_by_what_they_hold(
    buffer: int, store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However little fits into memory; an item that is no record is counted, and costs nothing else."""
    monkeypatch.setattr(sorted_runs, "BUFFER_BYTES", buffer)
    items = [{"object": {"S": name}, **more} for name, more, _ in ITEMS] + [
        {"other": {"S": "x"}},
        {"object": {"N": "1"}},
    ]
    export = read_export(store, write_full_export(store, items, START))
    scratch = FolderScratch(tmp_path)
    known = sort_known(store, scratch, export, silent, by_etag=True)
    said = [("/".join(bucket_and_key(name_of(line))), read_record(line)) for line in records(scratch)]
    assert said == sorted((name, record) for name, _, record in ITEMS if record)
    assert [*holders(scratch)] == [
        b"e0\0photos/a\x01\x1ab.jpg\0life\n",
        b"e0\0photos/c.jpg\0\n",
        b"e1\0photos/b.jpg\0\n",
    ]
    assert known == Known(export.time, records=7, images=3, unusable=3)


def test_only_a_full_export_knows_all(store: MemoryStore, tmp_path: Path) -> None:
    """What did not change in its time is not in an incremental one."""
    key = write_incremental_export(store, [], START, START + timedelta(hours=1))
    with pytest.raises(Damaged, match="whole table"):
        sort_known(store, FolderScratch(tmp_path), read_export(store, key), silent)
