"""A look at a folder: keys of what can be uploaded, and one line for each thing that cannot."""

import os
from pathlib import Path

import pytest

from infra.local.folder import NOT_UTF8, TOO_LONG, look_at, printable


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site 7"
    folder.mkdir()
    return folder


def test_files_get_the_folders_name_and_the_path_below_it(site: Path) -> None:
    """Whatever people call them; hidden ones, links to nothing and pipes are none, and links to files are files."""
    names = [
        "b.jpg",
        "a/b/c.jpg",
        "new\nline.jpg",
        "#1 & <2> [red].jpg",
        "-rf",
        "Brücke 測量.jpg",
        "=cmd|.jpg",
        "%41.jpg",
    ]
    for name in [*names, ".hidden", ".thumbs/d.jpg"]:
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    (site / "linked.jpg").symlink_to(site / "b.jpg")
    (site / "nothing.jpg").symlink_to(site / "gone.jpg")
    (site / "circle").symlink_to(site)
    os.mkfifo(site / "pipe")
    found = look_at(site)
    assert list(found.files) == sorted(f"site 7/{name}" for name in [*names, "linked.jpg"])
    assert found.files["site 7/b.jpg"].path.read_bytes() == b"b.jpg"
    assert (found.skipped, found.unseen) == ({}, [])
    assert look_at(site) == found


def test_what_cannot_be_a_key_is_named_on_one_line(site: Path) -> None:
    """Bytes that are no UTF-8, and keys of more than 1,024 bytes; a key of 1,024 bytes is one."""
    (Path(os.fsdecode(os.fsencode(site) + b"/latin\xe9\n1.jpg"))).write_bytes(b"")
    deep = site / "/".join(["ü" * 100] * 5)  # two bytes each
    deep.mkdir(parents=True)
    room = 1024 - len("site 7/") - 201 * 5
    (deep / ("x" * room)).write_bytes(b"")
    (deep / ("y" * (room + 1))).write_bytes(b"")
    found = look_at(site)
    assert [key[-1] for key in found.files] == ["x"]
    assert {name.rpartition("/")[2]: why for name, why in found.skipped.items()} == {
        "latin\\xe9\\n1.jpg": NOT_UTF8,
        "y" * (room + 1): TOO_LONG,
    }


def test_every_change_of_a_file_changes_its_stamp(site: Path) -> None:
    """Also another file of the same size and time in its place."""
    photo, other = site / "a.jpg", site / "b.jpg"
    for path in (photo, other):
        path.write_bytes(b"12345")
        os.utime(path, ns=(10**18, 10**18))
    before = look_at(site).files["site 7/a.jpg"].stamp
    other.replace(photo)
    assert look_at(site).files["site 7/a.jpg"].stamp != before
    before = look_at(site).files["site 7/a.jpg"].stamp
    photo.write_bytes(b"54321")
    assert look_at(site).files["site 7/a.jpg"].stamp != before


def test_what_cannot_be_read_is_not_taken_for_gone(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder, a file, or the whole folder: whether their keys are there, nobody can tell."""
    (site / "a").mkdir()
    (site / "a" / "1.jpg").write_bytes(b"")
    (site / "b.jpg").write_bytes(b"")
    list_folder, stat, access = os.scandir, os.stat, os.access

    def fails(name: str, error: int) -> None:
        def fail(path: str, *rest: object, **more: object) -> None:
            raise OSError(error, os.strerror(error), path)

        monkeypatch.setattr(os, "scandir", lambda path: (fail if str(path).endswith(name) else list_folder)(path))

    fails("/a", 13)
    monkeypatch.setattr(os, "access", lambda path, mode: not path.endswith("b.jpg") and access(path, mode))
    found = look_at(site)
    assert found.skipped == {f"{site}/a": "Permission denied", f"{site}/b.jpg": "Permission denied"}
    assert [found.is_unseen(key) for key in ("site 7/a/1.jpg", "site 7/b.jpg", "site 7/c.jpg")] == [True, True, False]

    fails("site 7", 116)
    assert look_at(site).is_unseen("site 7/c.jpg")
    monkeypatch.undo()

    def stale(path: str, **more: object) -> os.stat_result:
        if str(path).endswith("b.jpg"):
            raise OSError(116, "Stale file handle", path)
        return stat(path, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "stat", stale)
    found = look_at(site)
    assert (list(found.files), found.is_unseen("site 7/b.jpg")) == (["site 7/a/1.jpg"], True)


def test_a_folder_that_is_gone_is_none_that_is_empty(site: Path) -> None:
    """Its one line says so."""
    assert not look_at(site).is_unseen("site 7/a.jpg")
    site.rmdir()
    found = look_at(site)
    assert found.is_unseen("site 7/a.jpg")
    assert found.skipped == {str(site): "No such file or directory"}


@pytest.mark.parametrize(
    ("name", "shown"), [("a b", "a b"), ("a\nb\r", "a\\nb\\r"), ("\x1b[31m", "\\x1b[31m"), ("測", "測")]
)
def test_names_are_shown_on_one_line(name: str, shown: str) -> None:
    """And move no terminal."""
    assert printable(name) == shown
