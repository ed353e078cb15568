"""What is in the bucket and not in the ledger is counted, sent once, and what an interruption left is sent later."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from operations.bucket import ingest as ingesting
from operations.bucket.ingest import Ingest, IngestWishes, plan_ingest, send_ingest
from operations.progress import silent
from operations.rebuild.scratch import FolderScratch
from tests.support.odd_keys import ODD_KEYS
from tests.support.whole_stack import PHOTOS, SOURCES, WholeStack

ALL = IngestWishes(SOURCES.places)
OLD, NEW = "2026-11-25T00:00:00Z", "2026-11-25T00:00:01.000Z"


def _plan(stack: WholeStack, folder: Path, wishes: IngestWishes = ALL, told: list[str] | None = None) -> Ingest:
    note = (told if told is not None else []).append
    return plan_ingest(stack.wanted(new=wishes.all_new), wishes, FolderScratch(folder), progress=silent, note=note)


def _send(stack: WholeStack, ingest: Ingest, folder: Path, **more: Any) -> None:
    send_ingest(ingest, FolderScratch(folder), stack, "seen", progress=silent, **more)


def _keys(stack: WholeStack) -> list[str]:
    return sorted(json.loads(one)["detail"]["object"]["key"] for one in stack.lane)


def test_photos_that_were_there_before_the_stack_come_in_as_if_they_were_uploaded(tmp_path: Path) -> None:
    """On a new stack nothing is known, and no export is made; doing it once more sends nothing."""
    stack = WholeStack()
    for number, key in enumerate(key for key in ODD_KEYS if "\x00" not in key):
        stack.upload(key, PHOTOS[number % 4], told=False)
    stack.upload("empty.jpg", b"", told=False)
    stack.upload("words.txt", b"words", told=False)
    count = len(stack.bucket.objects)
    planned = _plan(stack, tmp_path, replace(ALL, all_new=True))
    assert (planned.objects, planned.missing, planned.to_send) == (count, count - 1, count - 1)
    assert planned.usd > 0
    assert stack.exports == stack.lane == []
    _send(stack, planned, tmp_path)
    assert planned.sent == len(stack.settle()) == count - 1
    assert stack.faults() == []
    assert not tmp_path.exists(), "what is done is forgotten"
    again = _plan(stack, tmp_path)
    assert (again.to_send, again.missing, again.stale, len(stack.exports)) == (0, 0, 0, 1)


def test_only_what_the_ledger_lacks_is_sent_and_only_what_is_wished_for(tmp_path: Path) -> None:
    """Missing, stale, and what an older reader refused; by time and number; records without an object are left."""
    stack = WholeStack()
    for key in ("known.jpg", "stale.jpg", "gone.jpg"):
        stack.upload(key, PHOTOS[0])
    stack.upload("words.txt", b"words")
    stack.upload("new.jpg", PHOTOS[1], told=False)
    stack.upload("newer.jpg", PHOTOS[2], told=False)
    stack.upload("stale.jpg", PHOTOS[3], told=False)
    stack.remove("gone.jpg", told=False)
    stack.s3.modified["newer.jpg"] = NEW
    stack.tables.objects["photos/words.txt"]["reader"] = {"N": "0"}
    planned = _plan(stack, tmp_path / "all")
    assert (planned.missing, planned.stale, planned.unread, planned.phantom, planned.to_send) == (2, 1, 1, 1, 4)
    _send(stack, planned, tmp_path / "all", rate=1000.0)
    assert _keys(stack) == ["new.jpg", "newer.jpg", "stale.jpg", "words.txt"]
    told = json.loads(stack.lane[0])["detail"]
    assert told["reason"] == "ingest"
    assert told["object"] == {"key": "new.jpg", "etag": stack.bucket.objects["new.jpg"][1], "size": len(PHOTOS[1])}
    stack.lane.clear()
    newer = _plan(stack, tmp_path / "newer", replace(ALL, newer_than=OLD))
    assert (newer.to_send, newer.older, newer.missing) == (1, 3, 2)
    _send(stack, newer, tmp_path / "newer")
    few = _plan(stack, tmp_path / "few", replace(ALL, limit=2))
    assert (few.to_send, few.missing) == (2, 2)
    _send(stack, few, tmp_path / "few")
    assert _keys(stack) == ["new.jpg", "newer.jpg", "newer.jpg"]


def test_an_ingest_that_was_interrupted_goes_on_where_it_was(tmp_path: Path) -> None:
    """Nothing is listed or exported once more; every object is sent, and what was surely sent is not sent twice."""
    stack = WholeStack()
    keys = [f"{number:03}.jpg" for number in range(400)]
    for key in keys:
        stack.upload(key, PHOTOS[0], told=False)
    stack.refuse_after = 200
    planned = _plan(stack, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        _send(stack, planned, tmp_path)
    requests, stack.refuse_after = stack.s3.requests, 10**9
    told: list[str] = []
    resumed = _plan(stack, tmp_path, told=told)
    assert (resumed.sent, stack.s3.requests, len(stack.exports)) == (planned.sent, requests, 1)
    assert told == [f"going on with what was found before: {planned.sent:,} of 400 objects were sent"]
    surely = {*keys[: resumed.sent]}
    before = len(stack.lane)
    _send(stack, resumed, tmp_path)
    assert sorted({*_keys(stack)}) == keys
    later = {json.loads(one)["detail"]["object"]["key"] for one in stack.lane[before:]}
    assert not later & surely
    assert resumed.sent == 400


def test_an_ingest_that_was_interrupted_before_goes_on_with_its_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export takes minutes and costs; what was begun for other wishes, or found long ago, is not gone on with."""
    stack = WholeStack()
    stack.upload("new.jpg", PHOTOS[0], told=False)
    lists = stack.s3.list_objects_v2

    def interrupt(**_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(stack.s3, "list_objects_v2", interrupt)
    with pytest.raises(KeyboardInterrupt):
        _plan(stack, tmp_path)
    monkeypatch.setattr(stack.s3, "list_objects_v2", lists)
    told: list[str] = []
    assert _plan(stack, tmp_path, told=told).to_send == 1
    assert (len(stack.exports), told) == (1, ["going on with the export arn:export/export-0"])
    stack.upload("newer.jpg", PHOTOS[0], told=False)
    assert _plan(stack, tmp_path).to_send == 1, "found just now"
    assert _plan(stack, tmp_path, replace(ALL, limit=5)).to_send == 2
    assert len(stack.exports) == 2
    monkeypatch.setattr(ingesting, "_GOOD_SECONDS", 0.0)
    assert _plan(stack, tmp_path, replace(ALL, limit=5)).to_send == 2
    assert len(stack.exports) == 3
