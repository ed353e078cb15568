"""A bucket is listed whole, in order and nothing twice, however its keys crowd and however many list it."""

import random
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from threading import Condition, Event, get_ident
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from hypothesis import assume, given
from hypothesis import strategies as st

from infra.benchmarks.ingest import make_world
from infra.doubles.listed_bucket import FolderByFolder, ListedBuckets, contents
from infra.doubles.refusal import refusal
from ledger.errors import Damaged, Unavailable
from operations.bucket import listing
from operations.bucket.lines import bucket_and_key, escape, name_of
from operations.bucket.listing import Listing, list_places
from operations.bucket.pages import list_range, listing_client
from operations.rebuild.scratch import FolderScratch
from tests.support.odd_keys import ODD_KEYS

CROWDED = [f"2026/site-{site}/DJI_{number:05d}.JPG" for site in "ab" for number in range(700)]
KEYS = {
    "crowded": CROWDED,
    "few": ["a", "b"],
    "none": [],
    "odd": [*ODD_KEYS, *(f"{key}/{number}" for key in ("\n", "😀", "\uffff", "a" * 1000) for number in range(60))],
    "one letter": ["x" * length for length in range(1, 300)],
    "any script": [
        chr(code) + chr(other)
        for code in (*range(0x20, 0xD7FF, 997), 0xE123, 0x1F600)
        for other in (1, 0x7F, 0xD7FF, 0xE000)
    ],
    "one folder last": ["a", *(f"zz/zz/{number:x}" for number in range(300))],
}


def _names(found: Listing) -> list[str]:
    return ["/".join(bucket_and_key(name_of(line))) for line in found.lines()]


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("kind", KEYS)
def test_every_key_is_listed_once_and_in_order(kind: str, threads: int, tmp_path: Path) -> None:
    """By one thread, and by several that take from each other what is left."""
    client = ListedBuckets({"photos": contents(KEYS[kind])})
    client.page = 10
    client.before = lambda _: time.sleep(0.0002 * (threads > 1))  # else the first thread is done before others begin
    found = list_places(client, [("photos", "")], FolderScratch(tmp_path), threads=threads)
    assert _names(found) == sorted(f"photos/{key}" for key in {*KEYS[kind]})
    assert (found.objects, found.requests) == (len({*KEYS[kind]}), client.requests)


@given(st.sets(st.text("/a\n\x7f\ud7ff\ue000\uffff😀", min_size=1, max_size=9), min_size=1), st.data())
def test_wherever_a_range_is_cut_keys_lie_on_both_sides_or_none_were_left(keys: set[str], data: st.DataObject) -> None:
    """A half that has nothing is never listed, and a `last` that came nearer leaves no key behind it."""
    ordered = sorted(keys)
    cursor = data.draw(st.sampled_from(ordered))
    last = data.draw(st.none() | st.sampled_from(ordered) | st.text("/a\n\x7f\ud7ff\ue000\uffff😀", max_size=9))
    assume(last is None or last >= cursor)
    lister = listing._Lister(ListedBuckets({"photos": contents(keys)}), [], FolderScratch(Path()), print, 0)
    point, nearer = lister._find_cut(("photos", ""), cursor, last)
    left = [key for key in ordered if key > cursor and (last is None or key <= last)]
    assert [key for key in left if nearer is not None and key > nearer] == []
    if point is not None:
        assert [key for key in left if key > point]
        assert nearer is None or point < nearer
        assert point > cursor


def test_a_cut_lies_near_the_middle_and_is_found_in_few_requests() -> None:
    """Of a million photos whose names are mostly the same; else threads would list crumbs, and look for long."""
    keys = [f"surveys/2026/quarry/DJI_{number:06d}.JPG" for number in range(0, 10**6, 50)]
    client = ListedBuckets({"photos": contents(keys)})
    lister = listing._Lister(client, [], FolderScratch(Path()), print, 0)
    point, _ = lister._find_cut(("photos", ""), keys[20], None)
    assert point is not None
    assert 0.2 < sum(key > point for key in keys) / len(keys) < 0.8
    assert client.requests < 40


def test_nobody_else_cuts_a_range_before_its_cut_is_made() -> None:
    """Whoever cut it by what it was would give it back what another thread lists by now: keys would come twice."""
    states = []

    class Watched(Condition):
        def __enter__(self) -> bool:
            states.append(range_.is_cut)
            return super().__enter__()

    lister = listing._Lister(
        ListedBuckets({"photos": contents(CROWDED)}), [("photos", "")], FolderScratch(Path()), print, 0
    )
    lister._changed = Watched()
    (range_,) = lister._active = lister._ranges
    range_.cursor, range_.is_cut = CROWDED[3], True
    lister._cut(range_)
    assert (all(states), range_.is_cut, len(lister._waiting)) == (True, False, 2)
    assert range_.last == lister._waiting[-1].cursor


def test_a_range_that_was_listed_beyond_its_cut_meanwhile_is_left_as_it_is() -> None:
    """What its thread has listed would be listed once more; it is tried again when it has twice as many pages."""
    lister = listing._Lister(ListedBuckets({"photos": {}}), [("photos", "")], FolderScratch(Path()), print, 0)
    (range_,) = lister._active = lister._ranges
    range_.pages, range_.is_cut = 3, True

    def find(place: tuple[str, str], cursor: str, last: str | None) -> tuple[str, str]:
        range_.pages, range_.cursor = 5, "m"
        return "g", "x"

    lister._find_cut = find  # type: ignore[method-assign]
    lister._cut(range_)
    assert (range_.last, lister._waiting, range_.is_cut) == ("x", [range_], False)
    cut_now = {pages: listing._may_be_cut(replace(range_, pages=pages)) for pages in (0, 3, 6, 7)}
    assert cut_now == {0: False, 3: False, 6: False, 7: True}
    assert not listing._may_be_cut(replace(range_, pages=7, is_cut=True))


def test_a_range_ends_where_the_next_one_begins(tmp_path: Path) -> None:
    """And asks for nothing behind it; a range that is cut once more has its half beside it, not at the end."""
    client = ListedBuckets({"photos": contents(CROWDED)})
    client.page = 10
    lister = listing._Lister(client, [("photos", "")], FolderScratch(tmp_path), lambda *_: None, 0)
    for at in (800, 400, 1200):
        point = CROWDED[at]
        range_ = max((one for one in lister._ranges if one.cursor < point), key=lambda one: one.cursor)
        lister._find_cut = lambda *_, point=point, last=range_.last: (point, last)  # type: ignore[method-assign]
        lister._active = [range_]
        lister._cut(range_)
    lister._active = []
    assert [one.last for one in lister._ranges] == [CROWDED[400], CROWDED[800], CROWDED[1200], None]
    assert _names(lister.run(1)) == [f"photos/{key}" for key in CROWDED]
    assert client.requests == len(CROWDED) // 10 + 3, "a page more for each range but the last, whose end it only sees"


def test_free_threads_take_from_one_that_lists(tmp_path: Path) -> None:
    """The first thread is held at its third page until another one lists, too."""
    client = ListedBuckets({"photos": contents(CROWDED)})
    client.page = 5
    first, another = [], Event()

    def before(arguments: dict[str, Any]) -> None:
        if "MaxKeys" in arguments:
            return
        first.append(get_ident())
        if get_ident() != first[0]:
            another.set()
        elif len(first) > 2:
            assert another.wait(60), "nobody came"

    client.before = before
    assert list_places(client, [("photos", "")], FolderScratch(tmp_path), threads=3).objects == len(CROWDED)


def test_a_list_that_breaks_off_breaks_the_whole_off(tmp_path: Path) -> None:
    """What is missing in it would be told as gone; the error names the bucket, and nobody goes on for long."""
    for code, status in (("SlowDown", 503), ("AccessDenied", 403), ("NoSuchBucket", 404)):
        client = ListedBuckets({"photos": contents(CROWDED)})
        client.page = 10

        def before(
            arguments: dict[str, Any], to: ListedBuckets = client, why: tuple[str, int] = (code, status)
        ) -> None:
            if to.requests >= 20:
                raise refusal(*why, request="ListObjectsV2")

        client.before = before
        with pytest.raises(Unavailable, match=f"photos: .*{code}"):
            list_places(client, [("photos", "")], FolderScratch(tmp_path), threads=3)
        assert client.requests == 20


def test_a_server_that_lists_by_folders_is_sorted_here_and_s3_is_held_to_its_order(tmp_path: Path) -> None:
    """`a/b` before `a-b`, as SeaweedFS does it; from S3 that would be a fault, and lines that are not sorted worse."""
    keys = ["a/b", "a/c/d", "a-b", "a.jpg", "a0", "b"]
    folders = FolderByFolder({"photos": contents(keys), "other": contents(["x"])})
    folders.page = 2
    found = list_places(folders, [("other", ""), ("photos", "a")], FolderScratch(tmp_path))
    assert _names(found) == ["other/x", *(f"photos/{key}" for key in sorted(keys[:-1]))]
    assert (found.objects, found.requests) == (6, 4)
    folders.meta.endpoint_url = "https://s3.cn-north-1.amazonaws.com.cn"
    with pytest.raises(Damaged, match="photos does not list its keys in their order"):
        list_places(folders, [("photos", "")], FolderScratch(tmp_path / "again"))
    directory = FolderByFolder({"photos--euw1-az1--x-s3": contents(keys)})
    directory.meta.endpoint_url = "https://s3.eu-west-1.amazonaws.com"
    found = list_places(directory, [("photos--euw1-az1--x-s3", "")], FolderScratch(tmp_path / "directory"))
    assert [name.partition("/")[2] for name in _names(found)] == sorted(keys)


def test_ranges_that_meet_are_the_whole() -> None:
    """As a state machine lists them: each behind one key, and up to another."""
    client = ListedBuckets({"photos": contents(CROWDED)})
    client.page = 7
    cuts = ["", *sorted([*random.Random(4).sample(CROWDED, 5), "2026/site-a/~"]), None]
    lines = [
        line for after, last in pairwise(cuts) for line in list_range(client, "photos", "2026/", after or "", last)
    ]
    assert [name_of(line) for line in lines] == [escape(f"photos/{key}") for key in CROWDED]


def test_an_answer_that_says_slow_down_is_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the SDK, with pauses; the list goes on where it was."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    world = make_world(2500, 0)
    client = listing_client({"region_name": "eu-west-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}, 1)
    refusals = [503, 500, 200, 503, 200, 200]

    def answer(request: Any, **_: Any) -> AWSResponse:
        status = refusals.pop(0)
        if status == 200:
            return world.answer(request)
        body = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
        return AWSResponse(request.url, status, {}, SimpleNamespace(stream=lambda **_: iter([body])))

    client.meta.events.register("before-send.s3.ListObjectsV2", answer)
    found = list_places(client, [("photos", "")], FolderScratch(tmp_path), threads=1)
    assert (found.objects, refusals) == (2500, [])
    refusals += [503] * 20
    with pytest.raises(Unavailable, match=r"photos: .*SlowDown"):
        list_places(client, [("photos", "")], FolderScratch(tmp_path / "again"), threads=1)
    assert 20 - len(refusals) == 11, "tried once, and ten times again"
