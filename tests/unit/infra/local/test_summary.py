"""What `./infra/run` tells of a CSV: rows in people's order, names whole, and every name with its reason."""

import csv
import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from infra.local.summary import NAMED, Csv, Notes, in_order, kind_of, table_of
from ledger.columns import NAMES


def write_csv(path: Path, *rows: dict[str, str]) -> Csv:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, NAMES, restval="", quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows({"bucket": "photos", "copies": "1", **row} for row in rows)
    return Csv.read(path)


def test_rows_are_shown_in_the_order_of_their_names(tmp_path: Path) -> None:
    """Numbers by value, whatever the order in which photos came in."""
    keys = ["s/9.jpg", "s/10.jpg", "s/2/1.jpg", "s/DJI_0100.JPG", "s/DJI_0099.JPG"]
    published = write_csv(tmp_path / "image-data.csv", *({"key": key} for key in keys))
    assert [row.key for row in published.rows] == [
        "s/2/1.jpg", "s/9.jpg", "s/10.jpg", "s/DJI_0099.JPG", "s/DJI_0100.JPG"
    ]  # fmt: skip
    assert sorted(["b", "", "7", "a1", "٣", "a"], key=in_order) == ["", "٣", "7", "a", "a1", "b"]


def test_what_is_told_of_rows_is_all_that_is_kept_of_them(tmp_path: Path) -> None:
    """Also where a document is larger than the csv module's own limit for a cell."""
    published = write_csv(
        tmp_path / "image-data.csv",
        {"key": "a.jpg", "copies": "3", "exif": json.dumps({"x": "y" * 300_000})},
        {"key": "b.jpg", "warnings": json.dumps(["gps: no number", "xmp: cut"])},
    )
    assert (published.images, published.warned) == (4, {"b.jpg": "gps: no number; xmp: cut"})
    assert published.named == {("photos", "a.jpg"), ("photos", "b.jpg")}
    assert len(str(published)) < 1000


def test_a_table_of_eighty_columns_has_every_name_whole(tmp_path: Path) -> None:
    """Wrapped, but not cut; and what looks like markup is shown as it is."""
    name = "a-photo-with-a-name-that-is-[red]longer-than-the-place-for-it.jpg"
    published = write_csv(
        tmp_path / "image-data.csv",
        {
            "key": f"site/{name}",
            "model": "FC6310S",
            "captured_at": "2026-06-21T12:00:01.5+02:00",
            "gps_latitude_deg": "51.92000012",
            "gps_longitude_deg": "-115.5799994",
            "relative_altitude_m": "60.03",
        },
    )
    console = Console(width=80, record=True, file=StringIO())
    console.print(table_of(published))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= 80
    assert "2026-06-21 12:00" in "".join(lines)
    assert name in "".join(line[2:].split("  ")[0].strip() for line in lines if line.startswith("  "))


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"", "empty"),
        (b"hello\nworld", "no image: text"),
        ("Brücke".encode() * 20, "no image: text"),
        (("x" + "ü" * 40).encode()[:64], "no image: text"),
        (b"%PDF-1.7", "no image: a PDF"),
        (b"PK\3\4rest", "no image: a ZIP, or what is made of one"),
        (b"\0\0\0\x18ftypmp42", "no image: a video, or its like"),
        (b"\0\1\2\3", "no image: unknown bytes"),
        (b"\xff\xfe\xfd" + b"x" * 60, "no image: unknown bytes"),
    ],
)
def test_what_is_no_image_is_told_by_its_first_bytes(head: bytes, kind: str) -> None:
    """Whatever its name says."""
    assert kind_of(head) == kind


def test_names_are_listed_up_to_twenty_and_all_in_a_file(tmp_path: Path) -> None:
    """Each on one line with its reason; without anything to say there is no file."""
    path = tmp_path / "notes.txt"
    many = {f"{number}.txt": "no image: text" for number in range(NAMED + 5)}
    one = ("object has no row", "objects have no row")
    notes = Notes(path, {one: many, ("row has warnings", "rows have warnings"): {"a\nb.jpg": "xmp: cut"}})
    notes.write()
    shown, written = notes.shown(), path.read_text().splitlines()
    assert shown[:3] == ["25 objects have no row:", "  0.txt: no image: text", "  1.txt: no image: text"]
    assert shown[NAMED + 1 :] == [f"  and 5 more, in {path}", "1 row has warnings:", "  a\\nb.jpg: xmp: cut"]
    assert [line for line in written if line not in shown] == [
        f"  {number}.txt: no image: text" for number in range(NAMED, NAMED + 5)
    ]
    assert Notes(path, {one: dict(list(many.items())[:NAMED])}).shown()[-1] == f"  {NAMED - 1}.txt: no image: text"
    Notes(path, {one: {}}).write()
    assert not path.exists()
