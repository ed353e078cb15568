"""Whatever was lost between the bucket and the CSV is found by its name, repaired by the lane, and nothing else is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.doubles.refusal import refusal
from ledger.commit import commit
from ledger.errors import Unavailable
from operations.bucket import check, rows
from operations.bucket.check import BucketFindings, Lane, check_buckets
from operations.bucket.compare import Kind
from operations.bucket.recheck import Looker
from operations.bucket.sources import Sources
from operations.progress import silent
from operations.rebuild.scratch import FolderScratch
from tests.support.factories import event
from tests.support.reader import read_rows
from tests.support.whole_stack import PHOTOS, WholeStack

FIRST, SECOND, THIRD, FOURTH = PHOTOS
NO_IMAGE = b"some words"


@pytest.fixture
def stack() -> WholeStack:
    """Three images, one of which has a copy, and what is none."""
    made = WholeStack()
    made.upload("a\n1.jpg", FIRST)
    made.upload("b.jpg", SECOND)
    made.upload("copy/b.jpg", SECOND)
    made.upload("c.jpg", THIRD)
    made.upload("gone.jpg", FOURTH)
    made.remove("gone.jpg")
    made.upload("words.txt", NO_IMAGE)
    made.upload("folder/", b"")
    return made


def _check(stack: WholeStack, folder: Path, *, repair: bool = False, **more: Any) -> BucketFindings:
    lane = Lane(stack, "seen") if repair else None
    more = {"wanted": stack.wanted(), "looker": stack.looker(), "note": lambda line: None} | more
    return check_buckets(stack.ledger, scratch=FolderScratch(folder), repair=lane, progress=silent, **more)


def _etag(stack: WholeStack, key: str) -> str:
    return stack.bucket.objects[key][1]


def _forget_record(stack: WholeStack, key: str) -> None:
    del stack.tables.objects[f"photos/{key}"]


def _overwritten(stack: WholeStack, key: str) -> None:
    """With the same bytes: only the time tells."""
    stack.s3.modified[key] = "2026-11-25T00:05:00.000Z"


def _phantom_row(stack: WholeStack) -> None:
    row = {**stack.tables.images[_etag(stack, "c.jpg")], "key": {"S": "never.jpg"}}
    stack.change_row("e" * 32, **{name: value for name, value in row.items() if name not in ("etag", "revision")})


def _gone_beside(stack: WholeStack) -> None:
    """Its name is the beginning of another's."""
    stack.upload("c.jpg.old", FOURTH)
    stack.remove("c.jpg", told=False)


def _is_none_now(stack: WholeStack) -> None:
    stack.upload("b.jpg", NO_IMAGE, told=False)


DAMAGES: dict[str, tuple[Callable[[WholeStack], Any], list[tuple[str, str]]]] = {
    "nothing": (lambda stack: None, []),
    "created, and never told": (lambda stack: stack.upload("d.jpg", FOURTH, told=False), [("missing", "d.jpg")]),
    "created anew, and never told": (
        lambda stack: stack.upload("gone.jpg", FOURTH, told=False),
        [("missing", "gone.jpg")],
    ),
    "overwritten, and never told": (lambda stack: stack.upload("c.jpg", FOURTH, told=False), [("stale", "c.jpg")]),
    "overwritten by what is no image": (_is_none_now, [("stale", "b.jpg")]),
    "overwritten by nothing": (lambda stack: stack.upload("c.jpg", b"", told=False), [("stale", "c.jpg")]),
    "no image before, and one now": (
        lambda stack: stack.upload("words.txt", FOURTH, told=False),
        [("stale", "words.txt")],
    ),
    "overwritten by the same": (lambda stack: _overwritten(stack, "c.jpg"), [("stale", "c.jpg")]),
    "deleted, and never told": (lambda stack: stack.remove("a\n1.jpg", told=False), [("phantom", "a\n1.jpg")]),
    "deleted beside one whose name goes on": (_gone_beside, [("phantom", "c.jpg")]),
    "refused by an older reader": (
        lambda stack: stack.tables.objects["photos/words.txt"].update(reader={"N": "0"}),
        [],
    ),
    "on another row's list": (
        lambda stack: stack.tables.objects["photos/c.jpg"].update(ingested_at={"S": "2026-11-20T08:00:00.000000Z"}),
        [("stale", "c.jpg")],
    ),
    "a copy deleted, and never told": (
        lambda stack: stack.remove("copy/b.jpg", told=False),
        [("phantom", "copy/b.jpg")],
    ),
    "row deleted by hand": (lambda stack: stack.change_row(_etag(stack, "b.jpg")), [("missing", "b.jpg")]),
    "row put by hand": (_phantom_row, [("phantom", "never.jpg")]),
    "row miscounted by hand": (
        lambda stack: stack.change_row(_etag(stack, "b.jpg"), copies={"N": "9"}),
        [("stale", "b.jpg")],
    ),
    "row about another object": (
        lambda stack: stack.change_row(_etag(stack, "c.jpg"), key={"S": "b.jpg"}),
        [("stale", "c.jpg")],
    ),
    "record deleted by hand": (
        lambda stack: _forget_record(stack, "c.jpg"),
        [("missing", "c.jpg"), ("phantom", "c.jpg")],
    ),
    "record of a copy deleted by hand": (
        lambda stack: _forget_record(stack, "copy/b.jpg"),
        [("missing", "copy/b.jpg"), ("stale", "b.jpg")],
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_was_lost_is_named_and_repaired(damage: str, stack: WholeStack, tmp_path: Path) -> None:
    """After one repair bucket, records and rows agree, and say what a stack would that had lost nothing."""
    do, wanted = DAMAGES[damage]
    do(stack)
    found = _check(stack, tmp_path)
    assert [(one.kind.value, one.key) for one in found.named] == wanted
    assert all(one.bucket == "photos" and one.why for one in found.named)
    assert (found.good, found.count, found.repaired) == (not wanted, len(wanted), 0)
    assert stack.lane == []
    if damage == "overwritten by the same":
        return  # only S3 could tell its time once more
    repaired = _check(stack, tmp_path, repair=True)
    sent = stack.settle()
    assert (repaired.repaired, repaired.count) == (len(sent), len(wanted))
    assert {key for _, key in wanted} <= {one["object"]["key"] for one in sent}
    assert {one["reason"] for one in sent} <= {"verify"}
    after = _check(stack, tmp_path, repair=True)
    assert after.named == []
    assert stack.lane == []
    assert stack.faults() == []
    assert read_rows(stack.store).count(b"\n") == 1 + len(stack.tables.images)


def test_a_good_check_says_what_it_looked_at(stack: WholeStack, tmp_path: Path) -> None:
    """In numbers; an object that is no image, and an empty one, are no difference; scratch is empty afterwards."""
    found = _check(stack, tmp_path / "work")
    assert found.good
    names = ("objects", "records", "images", "rows", "on_their_way", "outside")
    assert [found.checked[name] for name in names] == [6, 7, 4, 3, 0, 0]
    assert not (tmp_path / "work").exists()


def test_what_is_on_its_way_is_no_difference(stack: WholeStack, tmp_path: Path) -> None:
    """What is told while the check looks again, and what is so young that the export may lack it."""
    late = stack.bucket.put("late.jpg", FOURTH)
    rounds: list[float] = []

    def sleep(seconds: float) -> None:
        rounds.append(seconds)
        if len(rounds) == 2:
            stack.deliver(late)
        stack.s3.modified["again.jpg"] = stack.now().strftime("%Y-%m-%dT%H:%M:%S.000Z")

    stack.upload("again.jpg", THIRD[:-1], told=False)

    stack.ledger.sleep = sleep
    told: list[str] = []
    found = _check(stack, tmp_path, note=told.append)
    assert (found.good, len(rounds), found.checked["on_their_way"]) == (True, 2, 1)
    looked = [line.partition(" ")[0] for line in told if "looking again" in line]
    assert looked == ["2", "2", "1"]
    stack.remove("again.jpg", told=False)
    stack.upload("young.jpg", NO_IMAGE * 2, told=False)
    stack.s3.modified["young.jpg"] = stack.now().strftime("%Y-%m-%dT%H:%M:%S.000Z")
    found = _check(stack, tmp_path)
    assert (found.good, found.checked["on_their_way"]) == (True, 1)
    assert not _check(stack, tmp_path, in_flight_minutes=-1).good


def test_what_came_while_the_export_was_made_is_no_difference(stack: WholeStack, tmp_path: Path) -> None:
    """Copies that the row counts and the export lacks: they are on the row's list."""
    export = stack.export_table_to_point_in_time

    def export_and_go_on(**asked: Any) -> Any:
        answer = export(**asked)
        for number in range(3):
            stack.upload(f"copy/{number}.jpg", THIRD)
        stack.remove("b.jpg")
        return answer

    stack.export_table_to_point_in_time = export_and_go_on  # type: ignore[method-assign]
    told: list[str] = []
    assert _check(stack, tmp_path, note=told.append).good
    assert told[-1].startswith("6 differences"), "three objects, one that is gone, and both images' rows"


def test_more_differences_than_are_looked_at_again_are_counted_and_sent_as_well(
    stack: WholeStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first are named; none is forgotten in between, and none is sent twice."""
    keys = [f"new/{number}.jpg" for number in range(7)]
    for key in keys:
        stack.upload(key, FOURTH, told=False)
    stack.upload("z.jpg", THIRD)
    stack.remove("z.jpg", told=False)
    monkeypatch.setattr(check, "WATCHED", 3)
    monkeypatch.setattr(check, "LISTED", 2)
    found = _check(stack, tmp_path, repair=True)
    assert (found.count, found.counts[Kind.MISSING], found.counts[Kind.PHANTOM], len(found.named)) == (8, 7, 1, 2)
    details = [json.loads(one)["detail"]["object"] for one in stack.lane]
    assert sorted(one["key"] for one in details) == [*keys, "z.jpg"]
    assert all(len(one["etag"]) == 32 for one in details), "the phantom's is that of its record"


def test_behind_what_was_only_on_its_way_the_rest_is_looked_at(
    stack: WholeStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many differences settle themselves: the row that was lost comes after them."""
    photos = {"a\n1.jpg": FIRST, "b.jpg": SECOND, "c.jpg": THIRD}
    (_, first), *_, (etag, last) = sorted((_etag(stack, key), key) for key in photos)
    export = stack.export_table_to_point_in_time

    def export_and_go_on(**asked: Any) -> Any:
        answer = export(**asked)
        stack.upload("copy/of-first.jpg", photos[first])
        return answer

    stack.export_table_to_point_in_time = export_and_go_on  # type: ignore[method-assign]
    stack.change_row(etag)
    monkeypatch.setattr(check, "WATCHED", 1)
    found = _check(stack, tmp_path)
    assert [(one.kind.value, one.key) for one in found.named] == [("missing", last)]


def test_an_image_with_more_objects_than_are_named_is_repaired_whole(
    stack: WholeStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every one of its objects is told of the wrong row; one that joins meanwhile makes no difference."""
    monkeypatch.setattr(rows, "_MOST_NAMES", 2)
    keys = [f"copies/{number}.jpg" for number in range(6)]
    for key in keys:
        stack.upload(key, FOURTH)
    export = stack.export_table_to_point_in_time

    def export_and_go_on(**asked: Any) -> Any:
        answer = export(**asked)
        stack.upload("copies/late.jpg", FOURTH)
        stack.tables.objects["photos/copies/late.jpg"]["last_modified"] = {"S": f"{stack.now():%Y-%m-%dT%H:%M:%SZ}"}
        return answer

    stack.export_table_to_point_in_time = export_and_go_on  # type: ignore[method-assign]
    assert _check(stack, tmp_path).good
    stack.export_table_to_point_in_time = export  # type: ignore[method-assign]
    stack.remove("copies/late.jpg")
    assert _check(stack, tmp_path).good
    stack.change_row(_etag(stack, keys[0]), copies={"N": "9"})
    assert _check(stack, tmp_path, repair=True).counts[Kind.STALE] == 1
    assert sorted(one["object"]["key"] for one in stack.settle()) == keys
    assert _check(stack, tmp_path).good
    assert stack.tables.images[_etag(stack, keys[0])]["copies"] == {"N": "6"}


@pytest.mark.parametrize("change", [{}, {"copies": {"N": "9"}}], ids=["deleted", "miscounted"])
def test_a_wrong_row_that_an_object_of_no_source_holds_too_is_repaired_by_the_others(
    change: dict[str, Any], stack: WholeStack, tmp_path: Path
) -> None:
    """ImageProcessor leaves that object in the life before; it is of no account then, or no check was ever good."""
    sources = Sources(("photos",), ("copy/",))
    stack.change_row(_etag(stack, "b.jpg"), **change)
    found = _check(stack, tmp_path, repair=True, wanted=stack.wanted(sources=sources))
    assert found.count == 1
    stack.lane[:] = [one for one in stack.lane if sources.holds("photos", json.loads(one)["detail"]["object"]["key"])]
    stack.settle()
    assert _check(stack, tmp_path, wanted=stack.wanted(sources=sources)).named == []


def test_a_row_that_the_table_has_and_the_csv_lost_is_begun_anew(stack: WholeStack, tmp_path: Path) -> None:
    """Else a repair would find nothing to write, however often; one that just began may be on its way to the CSV."""
    row = stack.tables.images[_etag(stack, "b.jpg")]
    commit(stack.ledger, [event("REMOVE", old=row, sequence=10**6)])
    assert _check(stack, tmp_path, in_flight_minutes=10**4).good
    found = _check(stack, tmp_path, repair=True)
    assert [(one.key, one.why) for one in found.named] == [("b.jpg", "a row in the table, and none in the CSV")]
    assert [one["wrong_row"] for one in stack.settle()] == [row["ingested_at"]["S"]] * 2
    assert _check(stack, tmp_path).good
    assert stack.faults() == []


def test_a_row_of_what_is_no_source_any_longer_is_nobodys(stack: WholeStack, tmp_path: Path) -> None:
    """A bucket that was taken from the list keeps its rows; its records are outside."""
    found = _check(stack, tmp_path, wanted=stack.wanted(sources=Sources(("photos",), ("copy/",))))
    assert found.good
    assert found.checked["outside"] == 6


def test_an_answer_that_does_not_come_is_no_difference(stack: WholeStack, tmp_path: Path) -> None:
    """An object that S3 will not list, or a record that cannot be read, is not told as gone."""
    stack.remove("c.jpg", told=False)
    for broken in ("s3", "dynamodb"):

        class Refusing:
            def __getattr__(self, name: str) -> Any:
                raise refusal("AccessDenied", 403, request=name)

        looker = Looker(**{"dynamodb": stack, "s3": stack.s3, broken: Refusing()}, objects="objects", images="images")
        with pytest.raises(Unavailable, match="AccessDenied"):
            _check(stack, tmp_path, looker=looker)
