"""The data files of an export: what AWS writes, of whatever size, and what is not what its list says."""

import base64
import hashlib
import tracemalloc
from functools import partial
from gzip import compress

import orjson
import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.errors import Damaged
from operations.table_export.files import DataFile, read_file

packed = partial(compress, compresslevel=1, mtime=0)
LINE = orjson.dumps({"Item": {"etag": {"S": "e" * 32}, "exif": {"S": "x" * 1000}}}) + b"\n"


def data_file(store: MemoryStore, body: bytes, items: int) -> DataFile:
    """Put a data file as an export does, listed with so many items."""
    store.put_new("data/1.json.gz", body, "application/gzip")
    return DataFile("data/1.json.gz", base64.b64encode(hashlib.md5(body).digest()).decode(), items)


def test_memory_holds_a_few_records_of_a_data_file(store: MemoryStore) -> None:
    """Nobody says how large AWS makes them."""
    file = data_file(store, packed(LINE * 20_000), 20_000)
    tracemalloc.start()
    count = sum(1 for _ in read_file(store, file))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 20_000
    assert peak < 2_000_000 < 20_000 * len(LINE) // 10


@pytest.mark.parametrize(
    ("body", "items", "why"),
    [
        (packed(LINE * 3), 4, "has 3 records, the export's list says 4"),
        (packed(LINE * 3), 2, "has 3 records, the export's list says 2"),
        (packed(b""), 1, "has 0 records, the export's list says 1"),
        (packed(LINE * 3)[:-20], 3, "is not readable"),
        (packed(LINE) + b"rubbish", 1, "is not readable"),
        (b"no gzip", 1, "is not readable"),
        (packed(b"[1]\n"), 1, "has a line that is no record"),
    ],
    ids=["too few", "too many", "empty", "cut off", "goes on", "no gzip", "no record"],
)
def test_a_data_file_that_is_not_what_its_list_says_is_damaged(
    body: bytes, items: int, why: str, store: MemoryStore
) -> None:
    """Nothing of it is used: whoever reads it sorts all records first."""
    file = data_file(store, body, items)
    with pytest.raises(Damaged, match=why):
        list(read_file(store, file))


def test_two_gzip_members_are_one_file(store: MemoryStore) -> None:
    """As the format has it (RFC 1952, section 2.2)."""
    file = data_file(store, packed(LINE) + packed(LINE), 2)
    assert len(list(read_file(store, file))) == 2
