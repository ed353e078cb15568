"""How far the columns agree with ExifTool: every file of a folder that has expected/NAME.json.

usage: ./infra/bench agreement FOLDER [--show] [--tags]

FOLDER/expected/PATH.json holds what ExifTool read from FOLDER/PATH: {"numeric": `exiftool -j -G1 -struct -n`, ...}.
Numbers agree if they are equal to the precision of what ExifTool wrote. A maker's XMP counts under whatever prefix the
file uses. Tags that ExifTool has and our documents do not count as missing, file by file. --show lists all differences,
--tags the tags that each column is compared with. The last line of the output is one JSON object.
"""

import json
import re
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from image_processor.columns.extract import Record, extract
from image_processor.reading.ranged import FileSource
from image_processor.tags.numbers import PLACES
from infra.benchmarks._gold import GOLD, describe, exif_tags, xmp_properties, xmp_tags
from infra.benchmarks._gold_values import Gold, Tags, with_makers
from infra.benchmarks._report import arguments_of
from ledger.columns import NAMES

_HALF = Decimal("0.5")
_FLOAT32 = Decimal("1e-7")  # relative precision of the 32-bit floats in DJI's maker note


@dataclass(slots=True)
class Tally:
    """Counts of one column."""

    compared: int = 0
    agree: int = 0
    differ: int = 0
    ours_missing: int = 0
    exiftool_missing: int = 0

    def row(self) -> tuple[int, ...]:
        """Return the counts in the order of the table."""
        return self.compared, self.agree, self.differ, self.ours_missing, self.exiftool_missing


@dataclass(slots=True)
class Comparison:
    """Counts of all files so far."""

    files: int = 0
    columns: dict[str, Tally] = field(default_factory=lambda: {name: Tally() for name in NAMES if GOLD[name].value})
    differences: list[str] = field(default_factory=list)
    exif: list[int] = field(default_factory=lambda: [0, 0])  # ours, ExifTool's
    xmp: list[int] = field(default_factory=lambda: [0, 0])
    missing_tags: int = 0


def main(argv: list[str]) -> int:
    """Compare and print; returns 0 whatever the result, so that a caller may judge by the last line."""
    parser = arguments_of("agreement", __doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--show", action="store_true", help="list the differences")
    parser.add_argument("--tags", action="store_true", help="list the tags that each column is compared with")
    arguments = parser.parse_args(argv)
    if arguments.tags:
        for column, tags in describe():
            print(f"{column:<24} {tags}")
    comparison = Comparison()
    expected = arguments.folder / "expected"
    for gold_file in sorted(expected.rglob("*.json")):
        image = arguments.folder / gold_file.relative_to(expected).with_suffix("")
        if image.is_file():
            compare(comparison, image, _load(gold_file))
    report(comparison, arguments.show)
    return 0


def compare(comparison: Comparison, image: Path, tags: Tags) -> None:
    """Add one file to the counts."""
    comparison.files += 1
    record = extract(FileSource(image))
    cells, named = _cells(record), with_makers(tags)
    for column, tally in comparison.columns.items():
        gold = GOLD[column]
        assert gold.value is not None
        theirs, ours = gold.value(named), cells.get(column)
        note = _judge(tally, gold, ours, theirs)
        if note:
            comparison.differences.append(f"{image.name}: {column}: {note}: ours {ours!r}, ExifTool {theirs!r}")
    exif = sum(len(directory) for name, directory in cells.get("exif", {}).items() if name != "MakerNotes")
    for counts, ours, theirs, name in (
        (comparison.exif, exif, exif_tags(tags), "exif"),
        (comparison.xmp, xmp_properties(cells.get("xmp", {})), xmp_tags(tags), "xmp"),
    ):
        counts[0] += ours
        counts[1] += theirs
        comparison.missing_tags += max(0, theirs - ours)
        if ours < theirs:
            comparison.differences.append(f"{image.name}: {name}: fewer tags: ours {ours}, ExifTool {theirs}")


def agrees(gold: Gold, ours: Any, theirs: Any) -> bool:
    """Tell whether two values are the same, each in its own notation."""
    if gold.kind == "number":
        return _same_number(str(ours), str(theirs), any(tag.startswith("DJI:") for tag in gold.tags))
    if gold.kind == "moment":
        return _instant(str(ours)) == _instant(str(theirs))
    if gold.kind == "words":
        return [_words(word) for word in ours] == [_words(word) for word in theirs]
    if isinstance(theirs, bool):  # how ExifTool writes the texts "true" and "false"
        return str(ours).lower() == str(theirs).lower()
    same = _words(ours) == _words(theirs) or _same_number(str(ours), str(theirs), False)
    # ExifTool writes "?" for each byte that is not UTF-8; we read it as Windows-1252.
    return same or re.sub(r"[^\x00-\x7f]", "?", _words(ours)) == _words(theirs)


def report(comparison: Comparison, show: bool) -> None:
    """Print the table, the counts of tags and the last line."""
    heads = ("compared", "agree", "differ", "ours missing", "ExifTool missing")
    print(f"{'column':<24}" + "".join(f"{head:>18}" for head in heads))
    total = Tally()
    for column, tally in comparison.columns.items():
        if any(tally.row()):
            print(f"{column:<24}" + "".join(f"{count:>18}" for count in tally.row()))
        for name in Tally.__slots__:
            setattr(total, name, getattr(total, name) + getattr(tally, name))
    print(f"{'all':<24}" + "".join(f"{count:>18}" for count in total.row()))
    for name, (ours, theirs) in (("exif", comparison.exif), ("xmp", comparison.xmp)):
        print(f"tags in {name}: ours {ours}, ExifTool {theirs}")
    if show:
        print("\n".join(comparison.differences))
    result = {
        "files": comparison.files,
        "compared": total.compared,
        "agree": total.agree,
        "differ": total.differ,
        "missing": total.ours_missing + comparison.missing_tags,
        "agreement": round(total.agree / total.compared, 5) if total.compared else None,
        "exif_tags": comparison.exif[0],
        "exiftool_exif_tags": comparison.exif[1],
        "xmp_tags": comparison.xmp[0],
        "exiftool_xmp_tags": comparison.xmp[1],
    }
    print(json.dumps(result))


def _judge(tally: Tally, gold: Gold, ours: Any, theirs: Any) -> str:
    """Count one pair; return what is to be told about it."""
    if theirs is None:
        tally.exiftool_missing += ours is not None
        return ""
    if ours is None:
        tally.ours_missing += 1
        return "missing"
    tally.compared += 1
    if agrees(gold, ours, theirs):
        tally.agree += 1
        return ""
    tally.differ += 1
    return "differs"


def _load(path: Path) -> Tags:
    """Return ExifTool's tags with numbers as the digits that it wrote, since these say how precise they are."""
    loaded: dict[str, Tags] = json.loads(path.read_text(encoding="utf-8"), parse_float=str, parse_int=str)
    return loaded["numeric"]


def _cells(record: Record | None) -> dict[str, Any]:
    if record is None:
        return {}
    cells: dict[str, Any] = {name: next(iter(value.values())) for name, value in record.attributes.items()}
    for name in ("keywords", "exif", "xmp"):
        if name in cells:
            cells[name] = json.loads(cells[name])
    return cells | {"content_type": record.content_type}


def _words(text: Any) -> str:
    """Return a text with single blanks: line breaks and padding are no difference."""
    return " ".join(str(text).replace("\0", " ").split())


def _same_number(ours: str, theirs: str, float32: bool) -> bool:
    try:
        left, right = Decimal(ours.strip()), _decimal(theirs)
    except InvalidOperation:
        return False
    written = re.sub(r"[eE].*", "", theirs).partition(".")[2] if "/" not in theirs else ""
    exponent = right.as_tuple().exponent
    unit = Decimal(1).scaleb(int(exponent)) if written and isinstance(exponent, int) else Decimal(0)
    tolerance = _HALF * unit + _HALF * Decimal(1).scaleb(-PLACES)
    if float32:
        tolerance += abs(right) * _FLOAT32
    return abs(left - right) <= tolerance


def _decimal(text: str) -> Decimal:
    numerator, _, denominator = text.strip().partition("/")
    return Decimal(numerator) / Decimal(denominator) if denominator else Decimal(numerator)


def _instant(text: str) -> tuple[str, Decimal, str]:
    """Split a moment into its second, its fraction and its zone."""
    match = re.fullmatch(r"(.{19})(\.\d+)?(.*)", text)
    if match is None:
        return text, Decimal(0), ""
    zone = match[3].replace("+00:00", "Z")
    return match[1], Decimal(f"0{(match[2] or '.0')[:7]}"), zone
