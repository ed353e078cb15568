"""The bucket follows a folder over several runs, and a run that is killed loses no track of what it uploaded."""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra.local import uploads
from infra.local.uploads import Done, Uploads, etag_of


class Bucket:
    """Stands for the running stack: a bucket of bytes, and a data folder.

    Attributes:
        dies_after: objects that are written until the process is killed.
    """

    def __init__(self, data: Path) -> None:
        self.emulator = SimpleNamespace(data=data)
        self.held: dict[str, bytes] = {}
        self.dies_after = 10**9
        self.waited_for: list[dict[str, str]] = []

    def put(self, key: str, body: bytes) -> None:
        """Put an object over S3, as anybody may."""
        self.held[key] = body

    def uploaded(self) -> dict[str, str]:
        return {key: hashlib.md5(body).hexdigest() for key, body in self.held.items()}

    def upload(self, files: Iterable[tuple[str, Path]]) -> Iterator[tuple[str, str | None]]:
        for key, path in files:
            if self.dies_after == 0:
                raise KeyboardInterrupt
            self.dies_after -= 1
            if "refused" in key:
                yield key, "KeyTooLongError"
                continue
            self.held[key] = path.read_bytes()
            yield key, None

    def wait_until_known(self, etags: Mapping[str, str]) -> None:
        self.waited_for.append(dict(etags))
        assert all(hashlib.md5(self.held[key]).hexdigest() == etag for key, etag in etags.items())

    def delete(self, keys: Iterable[str]) -> Iterator[str]:
        for key in keys:
            del self.held[key]
            yield key


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    (tmp_path / "data").mkdir()
    return Bucket(tmp_path / "data")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (folder / name).write_text(name)
    return folder


def no_task(what: str, total: int) -> Callable[[], None]:
    return lambda: None


def follow(bucket: Bucket, folder: Path, run: Uploads | None = None, *, keep: bool = False) -> Done:
    """Look once, in a run that is given or in a new one."""
    done = (run or Uploads(bucket, folder, keep=keep)).follow(no_task)  # type: ignore[arg-type]
    assert done is not None
    return done


def held(bucket: Bucket) -> dict[str, str]:
    return {key: body.decode() for key, body in bucket.held.items()}


def test_a_run_follows_and_the_next_one_goes_on_from_there(bucket: Bucket, photos: Path) -> None:
    """Added, changed, renamed and removed while it runs and while it does not; at rest nothing is done."""
    run = Uploads(bucket, photos, keep=False)  # type: ignore[arg-type]
    assert follow(bucket, photos, run).uploaded == ["photos/a.jpg", "photos/b.jpg"]
    assert run.follow(no_task) is None
    (photos / "a.jpg").rename(photos / "c.jpg")
    (photos / "d.jpg").write_text("d")
    done = follow(bucket, photos, run)
    assert (done.uploaded, done.deleted, done.changes) == (["photos/c.jpg", "photos/d.jpg"], ["photos/a.jpg"], 3)
    assert [*bucket.waited_for[-1]] == ["photos/c.jpg"], "the copy is known before the original goes"

    (photos / "b.jpg").unlink()
    (photos / "d.jpg").write_text("changed")
    done = follow(bucket, photos)
    assert (done.uploaded, done.deleted) == (["photos/d.jpg"], ["photos/b.jpg"])
    assert held(bucket) == {"photos/c.jpg": "a.jpg", "photos/d.jpg": "changed"}
    assert follow(bucket, photos).changes == 0


def test_a_file_that_is_only_touched_is_not_uploaded_again(bucket: Bucket, photos: Path) -> None:
    """And it stays one that goes with its file."""
    follow(bucket, photos)
    (photos / "a.jpg").touch()
    assert follow(bucket, photos).changes == 0
    (photos / "a.jpg").unlink()
    assert follow(bucket, photos).deleted == ["photos/a.jpg"]


def test_what_was_put_over_s3_stays(bucket: Bucket, photos: Path) -> None:
    """Beside the files, over one of them, and even with a file's own bytes before it was uploaded."""
    bucket.put("photos/b.jpg", b"b.jpg")
    follow(bucket, photos)
    bucket.put("photos/a.jpg", b"somebody's")
    bucket.put("inbox/e.jpg", b"e")
    assert follow(bucket, photos).changes == 0
    for name in ("a.jpg", "b.jpg"):
        (photos / name).unlink()
    (photos / "c.jpg").write_text("c")
    follow(bucket, photos)
    assert held(bucket) == {
        "photos/b.jpg": "b.jpg", "photos/a.jpg": "somebody's", "inbox/e.jpg": "e", "photos/c.jpg": "c"
    }  # fmt: skip


def test_what_was_deleted_over_s3_comes_back_with_the_next_run(bucket: Bucket, photos: Path) -> None:
    """And not at once, so that people can see what a deletion does."""
    run = Uploads(bucket, photos, keep=False)  # type: ignore[arg-type]
    follow(bucket, photos, run)
    del bucket.held["photos/a.jpg"]
    (photos / "c.jpg").write_text("c")
    assert follow(bucket, photos, run).uploaded == ["photos/c.jpg"]
    assert follow(bucket, photos).uploaded == ["photos/a.jpg"]


def test_a_second_folder_takes_the_place_of_the_first(bucket: Bucket, photos: Path, tmp_path: Path) -> None:
    """The same name included; `keep` keeps what is under other keys."""
    follow(bucket, photos)
    second = tmp_path / "second" / "photos"
    second.mkdir(parents=True)
    (second / "b.jpg").write_text("another")
    done = follow(bucket, second)
    assert (done.uploaded, done.deleted, done.others) == (["photos/b.jpg"], ["photos/a.jpg"], {str(photos): 1})
    third = tmp_path / "third"
    third.mkdir()
    (third / "f.jpg").write_text("f")
    assert follow(bucket, third, keep=True).deleted == []
    assert held(bucket) == {"photos/b.jpg": "another", "third/f.jpg": "f"}


def test_a_folder_that_is_not_mounted_removes_nothing(bucket: Bucket, photos: Path, tmp_path: Path) -> None:
    """Gone or empty all at once, while a run is up or when it begins; with its files back all goes on."""
    run = Uploads(bucket, photos, keep=False)  # type: ignore[arg-type]
    follow(bucket, photos, run)
    photos.rename(tmp_path / "away")
    assert follow(bucket, photos, run).suspicious
    assert run.follow(no_task) is None
    photos.mkdir()
    done = follow(bucket, photos, run)
    assert (done.suspicious, done.changes) == (True, 0)
    assert follow(bucket, photos).suspicious
    photos.rmdir()
    (tmp_path / "away").rename(photos)
    (photos / "a.jpg").unlink()
    done = follow(bucket, photos, run)
    assert (done.suspicious, done.deleted, done.uploaded) == (False, ["photos/a.jpg"], [])


@pytest.mark.parametrize("written", [0, 1, 2])
def test_a_killed_run_knows_what_it_uploaded(bucket: Bucket, photos: Path, written: int) -> None:
    """The next run uploads the rest, changed files included, and what went meanwhile goes from the bucket."""
    follow(bucket, photos)
    for name in ("a.jpg", "b.jpg"):
        (photos / name).write_text(f"changed {name}")
    bucket.dies_after = written
    if written < 2:
        with pytest.raises(KeyboardInterrupt):
            follow(bucket, photos)
    bucket.dies_after = 10**9
    (photos / "a.jpg").unlink()
    follow(bucket, photos)
    assert held(bucket) == {"photos/b.jpg": "changed b.jpg"}


def test_what_s3_refuses_is_named_and_tried_again_by_the_next_run(bucket: Bucket, photos: Path) -> None:
    """The others are uploaded; also where an older object is there, the file does not count as done."""
    (photos / "refused.jpg").write_text("r")
    bucket.put("photos/refused.jpg", b"older")
    done = follow(bucket, photos)
    assert (done.skipped, len(done.uploaded)) == ({"photos/refused.jpg": "KeyTooLongError"}, 2)
    assert follow(bucket, photos).skipped == {"photos/refused.jpg": "KeyTooLongError"}


def test_a_file_that_cannot_be_read_any_more_is_named(
    bucket: Bucket, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is gone by then is not: the next look sees that."""

    def fail(path: Path) -> Any:
        raise {"a.jpg": OSError(5, "Input/output error"), "b.jpg": FileNotFoundError()}[path.name]

    monkeypatch.setattr(uploads, "etag_of", fail)
    done = follow(bucket, photos)
    assert (done.skipped, bucket.held) == ({str(photos / "a.jpg"): "Input/output error"}, {})


def test_what_the_disk_has_no_room_for_is_not_begun(
    bucket: Bucket, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said how much is free where; with room, the next run does it all."""
    free = uploads.ROOM_BYTES + 9  # the two photos have ten bytes
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
    with pytest.raises(OSError, match=r"No space left on device: .*/data has 50 MB free, and 50 MB are needed"):
        follow(bucket, photos)
    assert bucket.held == {}
    free += 1
    assert len(follow(bucket, photos).uploaded) == 2


def test_large_files_have_the_etag_of_their_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As S3 gives it to an upload in parts; a file of one part's size is one, too."""
    monkeypatch.setattr(uploads, "PART_BYTES", 4)
    path = tmp_path / "large"
    path.write_bytes(b"123")
    assert etag_of(path) == hashlib.md5(b"123").hexdigest()
    for content in (b"1234", b"123456"):
        path.write_bytes(content)
        parts = [hashlib.md5(content[at : at + 4]).digest() for at in range(0, len(content), 4)]
        assert etag_of(path) == f"{hashlib.md5(b''.join(parts)).hexdigest()}-{len(parts)}"
