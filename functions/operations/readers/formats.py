"""The copy of the CSV in other formats, typed by the list of columns, and filtered by a DuckDB expression.

Every file takes the place of the old one in one step (`operations.atomic_write`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from operations.atomic_write import atomic_write
from operations.readers import geolocation, spreadsheet
from operations.readers.geojson import write_geojson
from operations.readers.table import KNOWN, Table, open_table, quoted_name


class Format(StrEnum):
    """What a copy can be written as."""

    CSV = "csv"
    PARQUET = "parquet"
    GEOJSON = "geojson"
    XLSX = "xlsx"
    ODM = "geo.txt"
    PIX4D = "pix4d"
    CSVT = "csvt"


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file that was written.

    Attributes:
        path: where.
        rows: how many stand in it.
        left_out: how many do not, by reason.
    """

    path: Path
    rows: int
    left_out: dict[str, int] = field(default_factory=dict)


def write(form: Format, csv: Path, columns: Sequence[str], where: str = "") -> WrittenFile:
    """Write a copy of the CSV beside it.

    Args:
        form: of the copy.
        csv: the local image-data.csv.
        columns: its columns.
        where: a DuckDB expression on typed columns; all rows if empty.

    Raises:
        BadExpression: `where` cannot be used.
        TooManyRows: a sheet does not hold them.
    """
    if form is Format.CSVT:
        where = ""  # it describes image-data.csv, whatever is chosen of it
    stem = "selection" if where else "image-data"
    names = {Format.ODM: "geo.txt", Format.PIX4D: "pix4d.csv"}
    path = csv.with_name(names.get(form, f"{stem}.{form.value}"))
    if path == csv:
        raise ValueError("image-data.csv itself is written by pull")
    with atomic_write(path) as unfinished, open_table(csv, columns, where, unfinished.parent) as table:
        rows, left_out = _WRITERS[form](table, unfinished)
    return WrittenFile(path, rows, left_out)


def _csv(table: Table, path: Path) -> tuple[int, dict[str, int]]:
    raw = table.select(", ".join(f"{quoted_name('raw ' + name)} AS {quoted_name(name)}" for name in table.columns))
    return table.copy(raw, path, "FORMAT csv, HEADER true"), {}


def _parquet(table: Table, path: Path) -> tuple[int, dict[str, int]]:
    typed = table.select(", ".join(map(quoted_name, table.columns)))
    return table.copy(typed, path, "FORMAT parquet, COMPRESSION zstd"), {}


def _geojson(table: Table, path: Path) -> tuple[int, dict[str, int]]:
    return write_geojson(table.rows(table.columns), path)


def _xlsx(table: Table, path: Path) -> tuple[int, dict[str, int]]:
    return spreadsheet.write_xlsx(table.rows(table.columns), table.columns, table.count, path)


def _odm(table: Table, path: Path) -> tuple[int, dict[str, int]]:
    return geolocation.write_odm(table.rows(geolocation.COLUMNS_READ), path)


def _pix4d(table: Table, path: Path) -> tuple[int, dict[str, int]]:
    return geolocation.write_pix4d(table.rows(geolocation.COLUMNS_READ), path)


def _csvt(table: Table, path: Path) -> tuple[int, dict[str, int]]:
    """Write what QGIS and GDAL read beside image-data.csv: a type for each column, and where the position is."""
    types = {"integer": "Integer64", "decimal": "Real"}
    places = {"gps_longitude_deg": "CoordX", "gps_latitude_deg": "CoordY"}
    kinds = [
        places.get(name) or types.get(KNOWN[name].type if name in KNOWN else "", "String") for name in table.columns
    ]
    path.write_text(",".join(f'"{kind}"' for kind in kinds) + "\n", encoding="ascii")
    return table.count, {}


_WRITERS: dict[Format, Callable[[Table, Path], tuple[int, dict[str, int]]]] = {
    Format.CSV: _csv,
    Format.PARQUET: _parquet,
    Format.GEOJSON: _geojson,
    Format.XLSX: _xlsx,
    Format.ODM: _odm,
    Format.PIX4D: _pix4d,
    Format.CSVT: _csvt,
}
