"""Positions for survey programs: one file for all images, or one for each folder where names come again."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.columns import NAMES
from ledger.commit import commit
from ledger.ledger import Ledger
from operations.errors import NotPulled
from operations.readers.formats import Format, write
from tests.support.command_line import Ran
from tests.support.factories import event, item, model_csv

AT = {"gps_latitude_deg": {"N": "1"}, "gps_longitude_deg": {"N": "2"}, "gps_altitude_m": {"N": "3"}}
TURNED = {f"camera_{angle}_deg": {"N": "9"} for angle in ("yaw", "pitch", "roll")}


def copy_of(folder: Path, *items: dict[str, Any]) -> Path:
    """Make a local image-data.csv."""
    copy = folder / "image-data.csv"
    copy.write_bytes(model_csv(items))
    return copy


def photos(*keys: str, **more: Any) -> list[dict[str, Any]]:
    """Make items with a position."""
    return [item(number, key={"S": key}, **AT, **more) for number, key in enumerate(keys)]


def test_where_names_come_again_each_folder_has_a_file(tmp_path: Path) -> None:
    """As a camera's cards have it; what comes twice in one folder is left out; columns are alike in each file."""
    keys = ["s/101/DJI_1.JPG", "s/100/DJI_2.JPG", "s/100/DJI_1.JPG", "s/102/a.jpg", "s/102/A.jpg", "DJI_1.JPG"]
    items = [*photos(*keys), item(10, key={"S": "s/101/DJI_9.JPG"}, **AT, **TURNED), item(11, key={"S": "s/100/x"})]
    copy = copy_of(tmp_path, *items)
    odm, pix4d = write(Format.ODM, copy, NAMES), write(Format.PIX4D, copy, NAMES)
    assert (odm.path, odm.rows) == (tmp_path / "geo", 5)
    assert odm.left_out == {"without a position": 1, "with a name that is not unique": 2}
    read = {file.name: file.read_text().splitlines()[1:] for file in (tmp_path / "geo").iterdir()}
    assert read == {
        "geo-s-100.txt": ["DJI_1.JPG 2 1 3", "DJI_2.JPG 2 1 3"],
        "geo-s-101.txt": ["DJI_1.JPG 2 1 3", "DJI_9.JPG 2 1 3 9 9 9"],
        "geo-top.txt": ["DJI_1.JPG 2 1 3"],
    }
    assert odm.folders == {"": "geo/geo-top.txt", "s/100": "geo/geo-s-100.txt", "s/101": "geo/geo-s-101.txt"}
    assert (pix4d.path, pix4d.rows, len(pix4d.files)) == (tmp_path / "pix4d", 5, 3)
    assert (tmp_path / "pix4d" / "pix4d-s-101.csv").read_text().splitlines() == [
        "#imagename,latitude,longitude,altitude",
        "DJI_1.JPG,1,2,3",
        "DJI_9.JPG,1,2,3",
    ]
    chosen = write(Format.PIX4D, copy, NAMES, "camera_yaw_deg = 9")
    assert (chosen.path.name, chosen.path.read_text().splitlines()[1]) == (
        "selection.pix4d.csv",
        "DJI_9.JPG,1,2,3,9,9,9",
    )


def test_a_sample_has_each_name_once(tmp_path: Path) -> None:
    """Chance chooses anew each time that rows are read: which names come twice, and which rows are written, is one."""
    copy = copy_of(tmp_path, *photos(*(f"a/{number}.{ending}" for number in range(40) for ending in ("jpg", "JPG"))))
    for _ in range(4):
        written = write(Format.ODM, copy, NAMES, "random() < 0.5")
        names = [line.split(" ")[0].casefold() for line in written.path.read_text().splitlines()[1:]]
        assert (len(names), len({*names})) == (written.rows, written.rows)


FOLDERS = [
    "..", "../..", "/etc", "/", "a/../../b", "./x", "C:\\Windows", "con", "a:b", "a?b", "a b", "A B", "a/b", "x" * 300,
    "x" * 300 + "y", "測量", "調査", "\u202egpj", "\x1b[2J", "a\nb", "~root", "-rf", "%2e%2e", "..\\..", "é",
    "e\u0301", "\0",
]  # fmt: skip


def test_a_strangers_folder_names_no_file_of_ours(tmp_path: Path) -> None:
    """Each has its file, in one folder, under a name of letters and digits that no other one has on any file system."""
    dest = tmp_path / "dest"
    dest.mkdir()
    copy = copy_of(dest, *photos(*(f"{folder}/DJI_1.JPG" for folder in FOLDERS)))
    written = write(Format.ODM, copy, NAMES)
    assert (written.rows, written.left_out) == (len(FOLDERS), {})
    assert set(written.folders) == set(FOLDERS)
    names = [path.name for path in (dest / "geo").iterdir()]
    assert sorted(written.files) == sorted(f"geo/{name}" for name in names)
    assert len({name.casefold() for name in names}) == len(FOLDERS)
    assert [name for name in names if not re.fullmatch(r"geo-[0-9A-Za-z-]{1,120}\.txt", name)] == []
    assert {path.name for path in dest.iterdir()} == {"image-data.csv", "geo"}
    assert list(tmp_path.iterdir()) == [dest]


def test_names_that_come_again_without_a_position_need_no_folder(tmp_path: Path) -> None:
    """Where no folder has an image to name, one file says so, and each image is counted once."""
    written = write(Format.ODM, copy_of(tmp_path, *(item(n, key={"S": f"{n}/x.jpg"}) for n in range(3))), NAMES)
    assert (written.rows, written.files, written.left_out) == (0, ("geo.txt",), {"without a position": 3})
    assert {path.name for path in tmp_path.iterdir()} == {"image-data.csv", "geo.txt"}


def test_buckets_are_told_apart_where_there_are_several(tmp_path: Path) -> None:
    """The same key may name a photo in each."""
    items = [*photos("s/a.jpg", bucket={"S": "one"}), item(5, key={"S": "s/a.jpg"}, bucket={"S": "two"}, **AT)]
    written = write(Format.ODM, copy_of(tmp_path, *items), NAMES)
    assert written.folders == {"one/s": "geo/geo-one-s.txt", "two/s": "geo/geo-two-s.txt"}


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    """Whoever may write to the folder could lead us anywhere by one."""
    dest, elsewhere = tmp_path / "dest", tmp_path / "elsewhere"
    dest.mkdir()
    elsewhere.mkdir()
    (dest / "geo").symlink_to(elsewhere)
    with pytest.raises(NotPulled, match="is a link"):
        write(Format.ODM, copy_of(dest, *photos("a/x.jpg", "b/x.jpg")), NAMES)
    assert list(elsewhere.iterdir()) == []


def test_a_format_without_a_row_ends_with_one(skyledger: Callable[..., Ran], ledger: Ledger, tmp_path: Path) -> None:
    """So that a script does not go on with an empty file; with a row the code is 0, and an empty CSV is no fault."""
    where = ("--format", "geo.txt", "--format", "pix4d")
    ledger.load_root()  # the first one
    assert skyledger("pull", str(tmp_path), *where).code == 0
    commit(ledger, [event("INSERT", one) for one in photos("a/x.jpg", "a/X.jpg")])
    ran = skyledger("pull", str(tmp_path), *where, "--json")
    assert (ran.code, [one["rows"] for one in ran.json["files"]]) == (1, [0, 0])
    commit(ledger, [event("INSERT", item(7, key={"S": "b/x.jpg"}, **AT), sequence=9)])
    ran = skyledger("pull", str(tmp_path), *where)
    assert (ran.code, (tmp_path / "geo" / "geo-b.txt").exists()) == (0, True)
    assert "geo: 1 rows in 1 files, one for each folder; 2 with a name that is not unique" in ran.out
