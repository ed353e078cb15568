"""The other formats that stand in a folder beside the CSV, and are kept equal to it.

Beside the copy a file says of each what it was made of. So a pull that brings another tree writes all of them anew, not
only those that are asked for; what somebody deleted is left alone, and so is what only has such a name.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

import orjson

from operations.atomic_write import atomic_write
from operations.errors import BadExpression, TooManyRows
from operations.progress import Progress, silent
from operations.readers.formats import Format, WrittenFile, write
from operations.readers.pull import PullReport

_SUFFIX = ".formats.json"


@dataclass(frozen=True, slots=True)
class _Standing:
    """A format that stands in the folder.

    Attributes:
        form: its name.
        where: by what its rows were chosen.
        tree: hash of the tree that it was made of.
        files: below the folder.
    """

    form: str
    where: str
    tree: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Formats:
    """What stands in the folder now.

    Attributes:
        asked: written since they were asked for.
        refreshed: written since they stood there, of another tree.
        stale: files that are of another tree still, and why.
    """

    asked: list[WrittenFile]
    refreshed: list[WrittenFile]
    stale: dict[str, str]


def write_formats(copy: PullReport, wanted: Sequence[Format], where: str = "", progress: Progress = silent) -> Formats:
    """Write the formats that are asked for, and anew all that stand in the folder and are of another tree.

    Args:
        copy: the CSV.
        wanted: formats.
        where: a DuckDB expression on typed columns; all rows if empty.
        progress: as that of `operations.readers.formats.write`.

    Raises:
        BadExpression, TooManyRows, DiskFull, NotPulled: as `operations.readers.formats.write`, of what is asked for.
    """
    standing = _load(copy.path)
    made = Formats([], [], {})

    def renew(form: Format, chosen: str) -> WrittenFile:
        written = write(form, copy.path, copy.columns, chosen, rows=copy.rows, progress=progress)
        before = standing.get(_name(form, chosen))
        for file in {*before.files} - {*written.files} if before else ():
            (copy.path.parent / file).unlink(missing_ok=True)
        standing[_name(form, chosen)] = _Standing(form, chosen, copy.tree, written.files)
        _save(copy.path, standing)
        return written

    made.asked.extend(renew(form, where) for form in wanted)
    for one in [one for one in standing.values() if one.tree != copy.tree]:
        try:
            made.refreshed.append(renew(Format(one.form), one.where))
        except (BadExpression, TooManyRows) as error:
            made.stale.update(dict.fromkeys(one.files, str(error)))
    return made


def _name(form: Format, where: str) -> str:
    """Tell apart what may stand in a folder at once."""
    return f"{'selection' if where else 'whole'} {form.value}"


def _load(csv: Path) -> dict[str, _Standing]:
    """Read what stands beside a copy; nothing, if that is not known."""
    try:
        content = orjson.loads(csv.with_name(csv.name + _SUFFIX).read_bytes())
        found = {
            name: _Standing(
                Format(one["form"]).value, str(one["where"]), str(one["tree"]), tuple(map(str, one["files"]))
            )
            for name, one in content.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {
        name: one
        for name, one in found.items()
        if all(map(_is_below, one.files)) and any((csv.parent / file).exists() for file in one.files)
    }


def _is_below(file: str) -> bool:
    path = PurePosixPath(file)
    return not path.is_absolute() and ".." not in path.parts


def _save(csv: Path, standing: dict[str, _Standing]) -> None:
    with atomic_write(csv.with_name(csv.name + _SUFFIX)) as unfinished:
        unfinished.write_bytes(orjson.dumps({name: asdict(one) for name, one in standing.items()}))
