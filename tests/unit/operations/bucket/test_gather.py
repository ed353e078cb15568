"""Both sides of a comparison come to scratch, from a listing or an inventory, and it is known how old they are."""

from pathlib import Path

import pytest

from infra.doubles.inventories import packed, write_inventory
from operations.bucket.gather import gather
from operations.bucket.lines import bucket_and_key, name_of
from operations.bucket.sources import Sources
from operations.errors import BadInventory, NoSource
from operations.progress import silent
from operations.rebuild.scratch import FolderScratch
from tests.support.whole_stack import PHOTOS, WholeStack

TWO = Sources(("archive", "photos"), ("site/",))


@pytest.fixture
def stack() -> WholeStack:
    """A stack with two images."""
    made = WholeStack()
    made.upload("site/a.jpg", PHOTOS[0])
    made.upload("other/b.jpg", PHOTOS[1])
    return made


def _names(lines: object) -> list[str]:
    return ["/".join(bucket_and_key(name_of(line))) for line in lines]  # type: ignore[attr-defined]


def test_an_inventory_stands_for_one_bucket_and_makes_the_whole_as_old_as_itself(
    stack: WholeStack, tmp_path: Path
) -> None:
    """Of the other sources nothing is known then, and their records are outside; no list is asked for."""
    rows = [["photos", "site/a.jpg"], ["photos", "other/b.jpg"]]
    manifest = write_inventory(stack.store, [packed(rows)], "CSV", "Bucket, Key")
    wanted = stack.wanted(sources=TWO, inventory=f"s3://reports/{manifest}")
    sides = gather(wanted, FolderScratch(tmp_path), silent, [].append)
    assert _names(sides.listing.lines()) == ["photos/site/a.jpg"]
    assert _names(sides.records()) == ["photos/other/b.jpg", "photos/site/a.jpg"]
    assert sides.sources == Sources(("photos",), ("site/",))
    assert (sides.time, sides.young(15)) == ("2026-11-22T01:00:00Z", "2026-11-22T00:45:00Z")
    assert stack.s3.requests == 0


def test_without_an_export_nothing_is_young(stack: WholeStack, tmp_path: Path) -> None:
    """All that is listed is new, and nothing was asked of the table."""
    told: list[str] = []
    sides = gather(stack.wanted(new=True), FolderScratch(tmp_path), silent, told.append)
    assert (sides.known, sides.time, sides.young(15), [*sides.records()]) == (None, "", "", [])
    assert (stack.exports, told) == ([], [])


def test_an_inventory_that_cannot_serve_is_refused_before_an_export_is_begun(stack: WholeStack, tmp_path: Path) -> None:
    """It is of a bucket that is no source, or is not there, or no place at all."""
    manifest = write_inventory(stack.store, [], "CSV", "Bucket, Key")
    for inventory, sources, error in (
        (f"s3://reports/{manifest}", Sources(("archive",)), NoSource),
        ("s3://reports/none.json", TWO, BadInventory),
        ("none.json", TWO, NoSource),
    ):
        with pytest.raises(error):
            gather(stack.wanted(sources=sources, inventory=inventory), FolderScratch(tmp_path), silent, [].append)
    assert stack.exports == []
