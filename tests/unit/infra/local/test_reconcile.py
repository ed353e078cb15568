"""What is to be done so that the bucket follows a folder: a table of what file, record and object may be."""

from pathlib import Path

import pytest

from infra.local.folder import File, Found, Stamp
from infra.local.reconcile import Plan, Upload, is_suspicious, none_seen, others, plan

OLD, NEW = Stamp(1, 1, 1), Stamp(2, 2, 2)
HERE, THERE = "/photos", "/survey"
OURS = Upload(HERE, OLD, ("e1",))
PENDING = Upload(HERE, None, ("e1", "e2"))
SOMEBODYS = Upload(HERE, OLD, ())
ANOTHERS = Upload(THERE, OLD, ("e1",))
READ, DELETE, FORGET, NOTHING = "read", "delete", "forget", ""


def found(stamp: Stamp | None = None, *unseen: str) -> Found:
    return Found({"k": File(Path("k"), stamp)} if stamp else {}, {}, list(unseen))


def done(wanted: Plan) -> str:
    """Name what is done about the one key."""
    named = {READ: wanted.read, DELETE: wanted.delete, FORGET: tuple(set(wanted.forget) - set(wanted.delete))}
    assert set(wanted.delete) <= set(wanted.forget)
    (only,) = [what for what, keys in named.items() if keys] or [NOTHING]
    assert bool(wanted) == (only != NOTHING)
    return only


@pytest.mark.parametrize(
    ("stamp", "record", "etag", "running", "beginning"),
    [
        (NEW, None, None, READ, READ),
        (NEW, None, "e9", READ, READ),
        (NEW, OURS, "e1", READ, READ),
        (NEW, SOMEBODYS, "e9", READ, READ),
        (OLD, PENDING, "e1", READ, READ),
        (OLD, ANOTHERS, "e1", READ, READ),
        (OLD, OURS, "e1", NOTHING, NOTHING),
        (OLD, OURS, "e9", NOTHING, NOTHING),
        (OLD, OURS, None, NOTHING, READ),
        (OLD, SOMEBODYS, "e9", NOTHING, NOTHING),
        (OLD, SOMEBODYS, None, NOTHING, READ),
        (None, OURS, "e1", DELETE, DELETE),
        (None, OURS, "e9", FORGET, FORGET),
        (None, OURS, None, FORGET, FORGET),
        (None, PENDING, "e1", DELETE, DELETE),
        (None, PENDING, "e2", DELETE, DELETE),
        (None, SOMEBODYS, "e1", FORGET, FORGET),
        (None, ANOTHERS, "e1", DELETE, DELETE),
        (None, ANOTHERS, "e9", FORGET, FORGET),
        (None, None, "e1", NOTHING, NOTHING),
    ],
)
def test_every_case_of_file_record_and_object(
    stamp: Stamp | None, record: Upload | None, etag: str | None, running: str, beginning: str
) -> None:
    """Only what was uploaded from here and is still that is ever deleted; what was put over S3 stays."""
    known = {"k": record} if record else {}
    objects = {"k": etag} if etag else {}
    assert done(plan(HERE, found(stamp), known, objects)) == running
    assert done(plan(HERE, found(stamp), known, objects, begins=True)) == beginning


def test_what_could_not_be_seen_stays() -> None:
    """A folder that is not mounted, and one file that could not be read."""
    for unseen in ("", "k", "photos/"):
        known = {"k": OURS, "photos/a.jpg": OURS}
        wanted = plan(HERE, found(None, unseen), known, dict.fromkeys(known, "e1"))
        assert wanted.delete == tuple(key for key in known if not key.startswith(unseen))


def test_the_objects_of_another_folder_can_be_kept() -> None:
    """They are left alone, also while nothing of the own folder can be seen."""
    known = {"a": ANOTHERS, "b": OURS}
    objects = {"a": "e1", "b": "e1"}
    assert plan(HERE, found(), known, objects, keep=True).delete == ("b",)
    assert plan(HERE, none_seen(found()), known, objects).delete == ("a",)
    assert others(HERE, known, ("a", "b")) == {THERE: 1}


def test_all_files_gone_at_once_is_suspicious() -> None:
    """Of a folder from which something was uploaded; an empty folder that is new is not."""
    assert is_suspicious(HERE, found(), {"k": OURS})
    assert not is_suspicious(HERE, found(), {"k": ANOTHERS})
    assert not is_suspicious(HERE, found(), {})
    assert not is_suspicious(HERE, found(NEW), {"k": OURS})
    assert plan(HERE, none_seen(found()), {"k": OURS}, {"k": "e1"}) == Plan((), (), ())
