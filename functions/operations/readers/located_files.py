"""Files of positions for survey programs: one for all images, or one for each folder where names come again.

Cameras begin anew at DJI_0001 in every folder of a card, and a survey program tells images by their names alone, as
they lie in one folder of its own. So if a name stands in two folders of the bucket, each folder gets a file of its own
(OpenDroneMap takes one of any name by `--geo`: its documentation, "Image Geolocation Files"). A name that comes twice
in one folder is left out, with a position or without: whatever the case, composed or not, as file systems compare
names.

Folders are strangers' text. So of a file's name only letters and digits are theirs.
"""

import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any
from unicodedata import normalize

from operations.readers.geolocation import (
    COLUMNS_READ,
    NO_POSITION,
    NOT_UNIQUE,
    Geolocation,
    locate,
    name_of,
    odm_holds,
    pix4d_holds,
    write_odm,
    write_pix4d,
)
from operations.readers.table import Table

_NOT_PLAIN = re.compile(r"[^0-9A-Za-z]+", re.ASCII)
_LONGEST = 80  # of a path of 255 that a file system may hold


@dataclass(frozen=True, slots=True)
class Program:
    """A survey program that reads positions from a file.

    Attributes:
        name: of the file, without its ending.
        ending: of the file.
        holds: says why its file cannot hold an image, or nothing.
        write: writes the file, and gives its lines.
    """

    name: str
    ending: str
    holds: Callable[[Geolocation], str]
    write: Callable[[Iterable[Geolocation], Path], int]


ODM = Program("geo", ".txt", odm_holds, write_odm)
PIX4D = Program("pix4d", ".csv", pix4d_holds, write_pix4d)


@dataclass(frozen=True, slots=True)
class LocatedFiles:
    """What was written.

    Attributes:
        rows: images that stand in the files.
        left_out: images that do not, by reason.
        files: paths below the folder that was written to.
        folders: by folder of the bucket that has a file of its own, that file.
    """

    rows: int
    left_out: dict[str, int]
    files: tuple[str, ...]
    folders: dict[str, str]


def write_located(table: Table, program: Program, folder: Path, prefix: str) -> LocatedFiles:
    """Write the positions of a table's rows.

    Args:
        table: the rows.
        program: who is to read them.
        folder: to write to.
        prefix: of all names.
    """
    table.keep(COLUMNS_READ)
    names = _names(table.rows(("bucket", "key")))
    base = f"{prefix}{program.name}"
    rows = table.rows(COLUMNS_READ, order=_order(table, names.again))
    left_out: Counter[str] = Counter()
    count, folders, taken = 0, {}, set[str]()
    if names.again:
        (folder / base).mkdir()
        for place, here in groupby(rows, names.place):
            file = f"{base}/{_file_name(base, place, program.ending, taken)}"
            if written := program.write(_kept(here, program, names, left_out), folder / file):
                count += written
                folders[place] = file
            else:
                (folder / file).unlink()
    files = (*folders.values(),)
    if not files:
        files = (base + program.ending,)
        count = program.write(_kept(rows, program, names, left_out), folder / files[0])
    return LocatedFiles(count, dict(left_out), files, folders)


@dataclass(frozen=True, slots=True)
class _Names:
    """The names of the images.

    Attributes:
        twice: those that come twice in their folder: hashes of folder and name.
        again: some come in several folders.
        several_buckets: the images do.
    """

    twice: set[int]
    again: bool
    several_buckets: bool

    def place(self, row: dict[str, Any]) -> str:
        """Name the folder whose file a row belongs to."""
        return _place(row, self.several_buckets)


def _names(rows: Iterator[dict[str, Any]]) -> _Names:
    """Look at all names. Kept are hashes of 64 bits: that two of a million are equal by chance is one in 10^7."""
    seen: set[int] = set()
    twice: set[int] = set()
    buckets: set[str] = set()
    once_a_folder = array("q")
    for row in rows:
        buckets.add(row["bucket"] or "")
        here = _in_folder(row)
        if here in seen:
            twice.add(here)
        else:
            seen.add(here)
            once_a_folder.append(hash(_folded(name_of(row))))
    seen.clear()
    again = any(one == other for one, other in pairwise(sorted(once_a_folder)))
    return _Names(twice, again, len(buckets) > 1)


def _in_folder(row: dict[str, Any]) -> int:
    return hash((_place(row, with_bucket=True), _folded(name_of(row))))


def _place(row: dict[str, Any], with_bucket: bool) -> str:
    folder = (row["key"] or "").rpartition("/")[0]
    return f"{row['bucket'] or ''}/{folder}" if with_bucket else folder


def _order(table: Table, by_folder: bool) -> str:
    """Write what rows are sorted by: folder, if each has a file of its own, and name."""
    if "key" not in table.columns:
        return ""
    name, folder = "regexp_extract(key, '[^/]*$')", "regexp_replace(key, '/?[^/]*$', '')"
    places = (["bucket"] if "bucket" in table.columns else []) + [folder]
    return ", ".join([*(places if by_folder else []), name])


def _kept(
    rows: Iterable[dict[str, Any]], program: Program, names: _Names, left_out: Counter[str]
) -> Iterator[Geolocation]:
    """Give the rows that a file can hold, and count the others."""
    for row in rows:
        located = locate(row)
        reason = program.holds(located) if located else NO_POSITION
        if not reason and names.twice and _in_folder(row) in names.twice:
            reason = NOT_UNIQUE
        if located and not reason:
            yield located
        else:
            left_out[reason] += 1


def _file_name(base: str, place: str, ending: str, taken: set[str]) -> str:
    """Name the file of a folder, as every file system can: with a hash if the plain name is another one's already."""
    plain = _NOT_PLAIN.sub("-", place).strip("-")[:_LONGEST] or "top"
    if plain.casefold() in taken:
        plain += "-" + sha256(place.encode()).hexdigest()[:12]
    taken.add(plain.casefold())
    return f"{base}-{plain}{ending}"


def _folded(name: str) -> str:
    """Write names alike that a file system may take for one."""
    return normalize("NFC", normalize("NFC", name).casefold())
