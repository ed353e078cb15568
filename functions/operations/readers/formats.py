"""The copy of the CSV in other formats, typed by the list of columns, and filtered by a DuckDB expression.

Every file takes the place of the old one in one step (`operations.atomic_write`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import orjson

from operations.atomic_write import unfinished_folder
from operations.disk import telling_full
from operations.errors import NotPulled
from operations.progress import Progress, silent
from operations.readers import spreadsheet
from operations.readers.geojson import write_geojson
from operations.readers.located_files import ODM, PIX4D, Program, write_located
from operations.readers.stac import write_stac
from operations.readers.table import CAPTURED, INSTANT, KNOWN, OFFSET, Table, open_table, quoted_name, quoted_text


class Format(StrEnum):
    """What a copy can be written as."""

    CSV = "csv"
    PARQUET = "parquet"
    GEOJSON = "geojson"
    STAC = "stac"
    XLSX = "xlsx"
    ODM = "geo.txt"
    PIX4D = "pix4d"
    CSVT = "csvt"


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A format that was written.

    Attributes:
        path: of its file; of the folder with its files, if each folder of the bucket has one.
        rows: how many stand in it; None if it holds none.
        left_out: how many do not, by reason.
        files: all files, below the folder of the copy.
        folders: by folder of the bucket that has a file of its own, that file's path, likewise.
    """

    path: Path
    rows: int | None
    left_out: dict[str, int] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    folders: dict[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether rows were wanted, and none was left."""
        return self.rows == 0 and bool(self.left_out)


WHOLE, SELECTION = "image-data", "selection"
_ENDINGS = {Format.STAC: "stac.ndjson"}
# Bytes of disk for one of the CSV, at most: a sheet's rows lie there twice as XML for a moment, each 1.5 of the CSV.
_DISK = {Format.GEOJSON: 2.0, Format.XLSX: 3.5}


def write(
    form: Format,
    csv: Path,
    columns: Sequence[str],
    where: str = "",
    *,
    rows: int | None = None,
    progress: Progress = silent,
) -> WrittenFile:
    """Write a copy of the CSV beside it.

    Args:
        form: of the copy.
        csv: the local image-data.csv.
        columns: its columns.
        where: a DuckDB expression on typed columns; all rows if empty. It makes another file than without.
        rows: how many the CSV has, if that is known.
        progress: is told how many percent of the CSV are read.

    Raises:
        BadExpression: `where` cannot be used.
        TooManyRows: a sheet does not hold them.
        DiskFull: the disk does not hold the copy.
        NotPulled: a link lies where files are to be written.
    """
    if form is Format.CSVT:
        where = ""  # it describes image-data.csv, whatever is chosen of it
    stem = SELECTION if where else WHOLE
    step = f"writing {form.value}"
    needed = round(csv.stat().st_size * _DISK.get(form, 1.0))
    with telling_full(csv.parent, needed), unfinished_folder(csv.parent, f"{stem}.{form.value}") as unfinished:
        with open_table(csv, columns, where, unfinished, progress, step) as table:
            if rows is not None and not where:
                table.count = rows
            made = _WRITERS[form](table, unfinished, stem)
        for file in made.files:
            place = csv.with_name(file) if "/" not in file else csv.parent / file
            if place.parent != csv.parent:
                if place.parent.is_symlink():
                    raise NotPulled(f"{place.parent} is a link: nothing is written through it")
                place.parent.mkdir(exist_ok=True)
            (unfinished / file).replace(place)
    return WrittenFile(csv.parent / made.shown, made.rows, made.left_out, made.files, made.folders)


@dataclass(frozen=True, slots=True)
class _Made:
    """What a writer has made in the unfinished folder."""

    rows: int | None
    left_out: dict[str, int]
    files: tuple[str, ...]
    folders: dict[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """What stands for all files."""
        return self.files[0].partition("/")[0]


def _csv(table: Table, folder: Path, stem: str) -> _Made:
    name = f"{stem}.csv"
    raw = table.select(", ".join(f"{quoted_name('raw ' + name)} AS {quoted_name(name)}" for name in table.columns))
    return _Made(table.copy(raw, folder / name, "FORMAT csv, HEADER true"), {}, (name,))


_POINT = """CASE WHEN gps_latitude_deg BETWEEN -90 AND 90 AND gps_longitude_deg BETWEEN -180 AND 180 THEN
    ST_AsWKB(('POINT(' || gps_longitude_deg || ' ' || gps_latitude_deg || ')')::GEOMETRY) END AS geometry"""
# OGC GeoParquet 1.1.0, "Metadata": without `crs` it is OGC:CRS84, longitude first. Written by hand, since DuckDB has no
# such metadata in a file without any position. No height, as in GeoJSON.
_GEO = {
    "version": "1.1.0",
    "primary_column": "geometry",
    "columns": {"geometry": {"encoding": "WKB", "geometry_types": ["Point"]}},
}
_ROW_GROUP = 10_000  # some 30 MB of rows, which each thread holds until they are written


def _parquet(table: Table, folder: Path, stem: str) -> _Made:
    """Write GeoParquet: all columns, and a point where there is a position."""
    name = f"{stem}.parquet"
    chosen = list(map(quoted_name, table.typed_columns))
    options = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROW_GROUP}"
    if {"gps_latitude_deg", "gps_longitude_deg"} <= {*table.columns} and "geometry" not in table.columns:
        chosen.append(_POINT)
        options += f", KV_METADATA {{geo: {quoted_text(orjson.dumps(_GEO).decode())}}}"
    return _Made(table.copy(table.select(", ".join(chosen)), folder / name, options), {}, (name,))


def _geojson(table: Table, folder: Path, stem: str) -> _Made:
    name = f"{stem}.geojson"
    return _Made(*write_geojson(table.rows(table.columns, as_written=(CAPTURED,)), folder / name), (name,))


def _stac(table: Table, folder: Path, stem: str) -> _Made:
    name = f"{stem}.{_ENDINGS[Format.STAC]}"
    return _Made(*write_stac(table.rows([*KNOWN, OFFSET, INSTANT]), folder / name), (name,))


def _xlsx(table: Table, folder: Path, stem: str) -> _Made:
    name = f"{stem}.xlsx"
    columns = table.typed_columns
    spreadsheet.refuse_too_many(table.count)
    rows, told = table.rows(columns), table.progress
    return _Made(*spreadsheet.write_xlsx(rows, columns, table.count, folder / name, told), (name,))


def _located(program: Program) -> Callable[[Table, Path, str], _Made]:
    def write_program(table: Table, folder: Path, stem: str) -> _Made:
        made = write_located(table, program, folder, f"{SELECTION}." if stem == SELECTION else "")
        return _Made(made.rows, made.left_out, made.files, made.folders)

    return write_program


# GDAL takes a coordinate system from a .prj file beside a CSV (GDAL, "Comma Separated Value"): WKT 1, with EPSG's
# numbers, by which it is known as EPSG:4326 at once. X is the longitude all the same.
_WGS84 = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,AUTHORITY["EPSG","7030"]],'
    'AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433],AUTHORITY["EPSG","4326"]]'
)


def _csvt(table: Table, folder: Path, stem: str) -> _Made:
    """Write what QGIS and GDAL read beside image-data.csv: the columns' types, where the position is, and its CRS."""
    types = {"integer": "Integer64", "decimal": "Real"}
    places = {"gps_longitude_deg": "CoordX", "gps_latitude_deg": "CoordY"}
    kinds = [
        places.get(name) or types.get(KNOWN[name].type if name in KNOWN else "", "String") for name in table.columns
    ]
    files = (f"{stem}.csvt", f"{stem}.prj")
    (folder / files[0]).write_text(",".join(f'"{kind}"' for kind in kinds) + "\n", encoding="ascii")
    (folder / files[1]).write_text(_WGS84 + "\n", encoding="ascii")
    return _Made(None, {}, files)


_WRITERS: dict[Format, Callable[[Table, Path, str], _Made]] = {
    Format.CSV: _csv,
    Format.PARQUET: _parquet,
    Format.GEOJSON: _geojson,
    Format.STAC: _stac,
    Format.XLSX: _xlsx,
    Format.ODM: _located(ODM),
    Format.PIX4D: _located(PIX4D),
    Format.CSVT: _csvt,
}
