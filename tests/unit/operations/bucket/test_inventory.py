"""An inventory says what a listing would: keys as they are, no old versions, and what it lacks is not known."""

from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import duckdb
import pytest

from infra.doubles.inventories import packed, write_inventory
from infra.doubles.memory_store import MemoryStore
from ledger.errors import NotFound
from operations.bucket.inventory import Inventory, read_manifest, sort_inventory
from operations.bucket.lines import Listed, bucket_and_key, name_of, read_listed
from operations.bucket.sources import Sources
from operations.errors import BadInventory
from operations.progress import silent
from operations.rebuild.scratch import FolderScratch
from tests.support.odd_keys import ODD_KEYS

PHOTOS = Sources(("photos",))
ALL = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass"
PARQUET = "message s3.inventory {  required binary bucket (STRING);  required binary key (STRING); }"


def _read(store: MemoryStore, key: str, folder: Path, sources: Sources = PHOTOS) -> list[tuple[str, Listed]]:
    found = sort_inventory(store, read_manifest(store, key), sources, FolderScratch(folder), silent)
    lines = [*found.lines()]
    assert found.objects == len(lines)
    return [("/".join(bucket_and_key(name_of(line))), read_listed(line)) for line in lines]


def test_a_csv_of_all_versions_gives_the_objects_that_are_there(store: MemoryStore, tmp_path: Path) -> None:
    """In several files, which come in any order; the key is encoded as a form is, everything else as it stands."""
    keys = [*ODD_KEYS, "a b+c%2B%25"]
    rows = [
        ["photos", quote_plus(key), "v2", "true", "false", "5", "2026-11-20T08:00:00.000Z", "e-1", "STANDARD"]
        for key in keys
    ]
    rows += [
        ["photos", "old.jpg", "v1", "false", "false", "5", "2026-11-20T08:00:00.000Z", "e", "STANDARD"],
        ["photos", "gone.jpg", "v1", "true", "true", "", "2026-11-20T08:00:00.000Z", "", ""],
        ["other", "x.jpg", "v1", "true", "false", "5", "2026-11-20T08:00:00.000Z", "e", "STANDARD"],
    ]
    key = write_inventory(store, [packed(rows[::2]), packed(rows[1::2])], "CSV", ALL)
    said = Listed("e-1", 5, "2026-11-20T08:00:00Z")
    assert _read(store, key, tmp_path) == sorted((f"photos/{one}", said) for one in keys)
    within = PHOTOS.within("s3://photos/a/")
    assert [name for name, _ in _read(store, key, tmp_path / "within", within)] == ["photos/a/b.jpg"]
    assert read_manifest(store, key).time == "2026-11-22T01:00:00Z"
    assert read_manifest(store, key).destination == "reports"


def test_columns_that_an_inventory_lacks_are_not_known(store: MemoryStore, tmp_path: Path) -> None:
    """Bucket and key are all that is sure."""
    key = write_inventory(store, [packed([["photos", "a.jpg"]])], "CSV", "Bucket, Key")
    assert _read(store, key, tmp_path) == [("photos/a.jpg", Listed("", None, ""))]


@pytest.mark.parametrize("all_columns", [True, False])
def test_a_parquet_inventory_gives_the_same(all_columns: bool, store: MemoryStore, tmp_path: Path) -> None:
    """Its keys are not encoded, its files name their columns, and times are milliseconds."""
    columns = "bucket VARCHAR, key VARCHAR"
    rows: list[Any] = [["photos", "a%20+b.jpg"], ["photos", "b\n.jpg"], ["photos", "old"], ["photos", "gone"]]
    if all_columns:
        columns += (
            ", is_latest BOOLEAN, is_delete_marker BOOLEAN, size BIGINT, last_modified_date TIMESTAMPTZ, e_tag TEXT"
        )
        more: list[list[Any]] = [[True, False], [True, None], [False, False], [True, True]]
        rows = [[*one, *other, 5, "2026-11-20 08:00:00.999+00", "e-1"] for one, other in zip(rows, more, strict=True)]
    path = tmp_path / "x.parquet"
    with duckdb.connect() as database:
        database.execute(f"CREATE TABLE t ({columns})")
        database.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(rows[0]))})", rows)
        database.execute(f"COPY t TO '{path}' (FORMAT PARQUET)")
    key = write_inventory(store, [path.read_bytes()], "Parquet", PARQUET)
    said = Listed("e-1", 5, "2026-11-20T08:00:00Z") if all_columns else Listed("", None, "")
    names = ["a%20+b.jpg", "b\n.jpg"] if all_columns else ["a%20+b.jpg", "b\n.jpg", "gone", "old"]
    assert _read(store, key, tmp_path / "scratch") == [(f"photos/{name}", said) for name in names]


def test_an_inventory_that_is_not_whole_is_refused(store: MemoryStore, tmp_path: Path) -> None:
    """By its checksums, its format, its columns; and what is no manifest at all."""
    for number, (bodies, form, schema, told) in enumerate(
        [
            ([b""], "ORC", "struct<bucket:string>", "ORC cannot be read; configure it as CSV or Parquet"),
            ([b""], "CSV", "Bucket, Size", "does not name buckets and keys"),
            ([b"no gzip"], "CSV", "Bucket, Key", "data/0 is not a file of an inventory: BadGzipFile"),
            ([packed([["photos", "%ff"]])], "CSV", "Bucket, Key", "data/0 is not a file of an inventory: Unicode"),
            ([packed([["photos"]])], "CSV", "Bucket, Key", "data/0 is not a file of an inventory: KeyError"),
            ([b"PAR1"], "Parquet", PARQUET, "data/0 is not a file of an inventory"),
        ]
    ):
        other = MemoryStore()
        with pytest.raises(BadInventory, match=told):
            _read(other, write_inventory(other, bodies, form, schema), tmp_path / str(number))
    key = write_inventory(store, [packed([["photos", "a"]])], "CSV", "Bucket, Key")
    file = read_manifest(store, key).files[0]
    store.delete([file.key])
    with pytest.raises(NotFound):
        _read(store, key, tmp_path / "gone")
    store.put_new(file.key, b"x" * file.size, "x")
    with pytest.raises(BadInventory, match="data/0 does not have the MD5"):
        _read(store, key, tmp_path / "changed")
    store.put_new("m/manifest.checksum", b"0" * 32, "x")
    store.put_new("m/manifest.json", store.get(key).body, "x")
    with pytest.raises(BadInventory, match=r"m/manifest.json does not have the MD5"):
        read_manifest(store, "m/manifest.json")
    for number, body in enumerate((b"[]", b"{", b'{"fileFormat": "CSV", "fileSchema": "Bucket, Key"}')):
        store.put_new(f"{number}.json", body, "x")
        with pytest.raises(BadInventory, match="is not the manifest of an inventory"):
            read_manifest(store, f"{number}.json")


def test_a_manifest_that_was_copied_elsewhere_needs_no_checksum(store: MemoryStore) -> None:
    """There is none beside it, also at the top of a bucket."""
    key = write_inventory(store, [], "CSV", ALL)
    store.put_new("manifest.json", store.get(key).body, "x")
    assert isinstance(read_manifest(store, "manifest.json"), Inventory)
