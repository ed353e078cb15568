"""Keys of the export bucket: what a listing finds is told by its key alone, and the collector deletes by it."""

import pytest

from ledger.keys import (
    ROOT_COPIES,
    is_named_by_content,
    packed_key,
    page_key,
    plain_key,
    root_copies_of,
    root_copy_key,
    segment_key,
    segment_name,
    shard_digest,
    shard_key,
    snapshot_key,
    snapshot_name,
    version_of_copy,
)

DIGEST = "0a" * 32


def test_what_was_named_is_known_again() -> None:
    assert is_named_by_content(shard_key(DIGEST))
    assert is_named_by_content(page_key(DIGEST))
    assert is_named_by_content(plain_key(shard_key(DIGEST)))
    assert packed_key(plain_key(shard_key(DIGEST))) == packed_key(shard_key(DIGEST)) == shard_key(DIGEST)
    assert shard_digest(shard_key(DIGEST)) == shard_digest(plain_key(shard_key(DIGEST))) == DIGEST
    assert version_of_copy(root_copy_key("12-c0ffee")) == 12
    assert segment_name(segment_key("date=2026-11-25/hour=08/1-2-x")) == "date=2026-11-25/hour=08/1-2-x"
    assert snapshot_name(snapshot_key("before-the-move")) == "before-the-move"


@pytest.mark.parametrize(
    "stranger",
    [
        f"shards/{DIGEST}.csv.bak",
        f"shards/{DIGEST}.csv.gz.gz",
        f"shards/{DIGEST}.gz",
        f"manifest/{DIGEST}.json.gz",
        f"shards/{DIGEST}.csv\n",
        f"shards/{DIGEST[1:]}.csv",
        f"shards/{DIGEST.upper()}.csv",
        f"shards/{DIGEST}.json",
        f"old/shards/{DIGEST}.csv",
        f"manifest/{DIGEST}0.json",
        "roots/notes.json",
        "roots/1-a/b.json",
        "roots/1-.json",
        "roots/1-a.json.bak",
        "my-roots/1-a.json",
    ],
)
def test_what_somebody_else_put_there_is_none_of_ours(stranger: str) -> None:
    """Neither counted nor deleted."""
    assert not is_named_by_content(stranger)
    assert version_of_copy(stranger) is None


def test_the_copies_of_a_version_are_not_those_of_another_that_begins_alike() -> None:
    assert root_copies_of(1) == f"{ROOT_COPIES}1-"
    assert not root_copy_key("12-c0ffee").startswith(root_copies_of(1))
