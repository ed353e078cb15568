"""What COLUMNS.md says of the documents in `exif` and `xmp` is so."""

import re
from contextlib import chdir
from pathlib import Path

import duckdb
import pytest

from image_processor.columns.extract import extract
from image_processor.reading.ranged import BytesSource
from ledger.columns import NAMES
from operations.readers.formats import Format, write
from tests.support.factories import item, model_csv
from tests.support.paths import PHOTOS, ROOT

REAL = ("dji-fc300s-0018.head.jpg", "exiftool-all.jpg", "no-metadata.jpg", "xmp-entities-cdata.jpg")
HERE = [found[0] if (found := sorted(PHOTOS.rglob(name))) else PHOTOS / name for name in REAL]
_QUERY = re.compile(r"```sql\n(.*?)```", re.DOTALL)


@pytest.mark.skipif(not all(path.is_file() for path in HERE), reason="the development photos are not here")
def test_the_query_of_columns_md_finds_what_real_photos_say(tmp_path: Path) -> None:
    """Directory, then tag; the same values as in the columns that are made of them."""
    folder = tmp_path / "photos"
    folder.mkdir()
    items = []
    for number, path in enumerate(HERE):
        record = extract(BytesSource(path.read_bytes()))
        assert record is not None
        items.append(item(number, **record.attributes, key={"S": path.name}))
    (folder / "image-data.csv").write_bytes(model_csv(items))
    write(Format.PARQUET, folder / "image-data.csv", NAMES)
    (query,) = _QUERY.findall((ROOT / "functions" / "COLUMNS.md").read_text(encoding="utf-8"))
    with chdir(tmp_path):
        found = {name: values for name, *values in duckdb.sql(query).fetchall()}
        columns = "key, make, f_number, floor(abs(gps_latitude_deg)), relative_altitude_m"
        same = {name: values for name, *values in duckdb.sql(f"SELECT {columns} FROM '{folder}/*.parquet'").fetchall()}
        nowhere = duckdb.sql("SELECT count(*) FROM 'photos/image-data.parquet' WHERE (exif->>'Make') IS NOT NULL")
        assert nowhere.fetchall() == [(0,)]
    dji, plain, _, described = REAL
    assert list(found) == [dji, plain, described]
    assert found[dji][:4] == same[dji]
    assert None not in same[dji]
    assert found[plain][:2] == same[plain][:2]
    assert found[described][:4] == [None] * 4
    assert all(found[name][4] for name in (plain, described))
