"""Root and pages as bytes, and the rule that cuts the tree."""

import hashlib
import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Damaged, NewerFormat
from ledger.manifest import (
    Checkpoint,
    Entry,
    Root,
    Targets,
    Tree,
    decode_page,
    decode_root,
    encode_page,
    encode_root,
    entry_of,
    starts_page,
    starts_shard,
)

DIGESTS = st.integers(0, 2**64).map(lambda number: hashlib.sha256(b"%d" % number).hexdigest())
KEYS = st.text("abc:-,0", min_size=1, max_size=6).map(str.encode)
ENTRIES = st.builds(Entry, KEYS, st.integers(1, 10**9), st.integers(1, 10**12), DIGESTS)
TREES = st.lists(ENTRIES, max_size=4).map(lambda pages: Tree(tuple(pages)))
ROOTS = st.builds(
    Root,
    version=st.integers(0, 10**9),
    commit_id=st.text("0123456789abcdef", max_size=16),
    columns=st.lists(st.text(max_size=5), max_size=5).map(lambda names: ("ingested_at", "etag", "revision", *names)),
    targets=st.builds(Targets, st.integers(1, 1 << 30), st.integers(1, 10**4)),
    rows=TREES,
    removals=TREES,
    merged=st.lists(st.text(max_size=5), max_size=3).map(tuple),
    oldest_event=st.text(max_size=20),
    checkpoint=st.builds(
        Checkpoint, st.integers(0, 10**12), st.text(max_size=20), st.dictionaries(st.text(max_size=9), st.text())
    ),
)
ROOT = Root(3, "c0ffee", rows=Tree((Entry(b"a", 2, 10, "00"), Entry(b"b", 3, 20, "11"))))


@given(ROOTS)
def test_a_root_comes_back_from_its_bytes(root: Root) -> None:
    """What the next exporter reads is what this one wrote."""
    assert decode_root(encode_root(root)) == root


@given(st.lists(ENTRIES, max_size=6))
def test_a_page_comes_back_from_its_bytes(shards: list[Entry]) -> None:
    """Equal shards give equal bytes, and the bytes give the shards."""
    assert decode_page(encode_page(shards)) == tuple(shards)
    assert encode_page(list(shards)) == encode_page(tuple(shards))


def test_the_tree_hash_names_the_csv_and_nothing_else() -> None:
    """Format, targets, columns and pages of the rows tree; not who wrote it when, nor the removals."""
    other_history = replace(
        ROOT,
        version=99,
        commit_id="another",
        removals=Tree((Entry(b"x", 1, 1, "22"),)),
        merged=("segment",),
        checkpoint=Checkpoint(7, 3, 1, "2026-11-25T08:00:00Z", {"Images/x": "1"}),
    )
    assert other_history.tree_hash == ROOT.tree_hash
    others = [
        replace(ROOT, targets=Targets(1, 1)),
        replace(ROOT, columns=(*ROOT.columns, "more")),
        replace(ROOT, columns=ROOT.columns[::-1]),
        replace(ROOT, rows=Tree(ROOT.rows.pages[:1])),
        replace(ROOT, rows=Tree(ROOT.rows.pages[::-1])),
        Root(),
    ]
    assert len({other.tree_hash for other in [ROOT, *others]}) == 1 + len(others)


def test_two_commits_never_write_the_same_bytes() -> None:
    """An ETag follows content: version and commit_id keep A-B-A from looking like A."""
    first, second = ROOT.successor("1"), ROOT.successor("2")
    assert first.version == second.version == ROOT.version + 1
    assert encode_root(first) != encode_root(second)
    assert first.copy_key == "roots/4-1.json"
    assert first.tree_hash == second.tree_hash == ROOT.tree_hash


def test_counts_stand_in_the_root_for_readers() -> None:
    """`manifest.json` says rows and bytes per tree, and the tree hash, without a page being read."""
    content = json.loads(encode_root(ROOT))
    assert (content["rows"]["rows"], content["rows"]["bytes"]) == (ROOT.rows.rows, ROOT.rows.bytes) == (5, 30)
    assert content["tree"] == ROOT.tree_hash


def _changed(**fields: Any) -> bytes:
    return json.dumps(json.loads(encode_root(ROOT)) | fields).encode()


def _changed_page(**fields: Any) -> bytes:
    """Change what the tree hash does not rest on."""
    content = json.loads(encode_root(ROOT))
    content["rows"]["pages"][0] |= fields
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"not json",
        encode_root(ROOT)[:-20],
        _changed(tree="0" * 64),
        _changed(columns=["ingested_at", "etag", "revision"]),
        _changed(targets={"shard_bytes": 1, "page_shards": 1}),
        _changed(targets=None),
        _changed(rows={"pages": []}),
        _changed(rows={"pages": [{"first": 1, "rows": 1, "bytes": 1, "sha256": "00"}]}),
        _changed_page(rows="1"),
        _changed_page(bytes=None),
        _changed(checkpoint=[]),
        _changed(merged=None),
    ],
)
def test_a_root_that_is_not_what_it_says_is_damaged(body: bytes) -> None:
    """A root's pages, columns and targets must have the tree hash that it names."""
    with pytest.raises(Damaged):
        decode_root(body)


def test_a_root_of_before_the_ages_is_read() -> None:
    """It does not say how old its events were."""
    content = json.loads(encode_root(replace(ROOT, oldest_event="2026-11-25T08:00:00Z")))
    del content["oldest_event"]
    assert decode_root(json.dumps(content).encode()) == ROOT


def test_a_root_of_a_newer_skyledger_is_refused() -> None:
    """Its rules are not known here; it is not damaged, and must not be replaced."""
    with pytest.raises(NewerFormat, match="format 2"):
        decode_root(_changed(format=2, tree="whatever", rows="in another shape"))


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"shards": 1}', b'{"shards": [{}]}', b'{"shards": [{"first": 1}]}', b"\xff"]
)
def test_a_page_that_is_none_is_damaged(body: bytes) -> None:
    with pytest.raises(Damaged):
        decode_page(body)


@given(st.lists(KEYS, min_size=1, unique=True), KEYS)
def test_the_entry_that_holds_a_key_is_the_last_that_starts_before_it(firsts: list[bytes], key: bytes) -> None:
    """A key before the first of all belongs to the first."""
    entries = [Entry(first, 1, 1, "") for first in sorted(firsts)]
    before = [index for index, entry in enumerate(entries) if entry.first <= key]
    assert entry_of(entries, key) == (before[-1] if before else 0)


def test_shards_have_the_target_size_whatever_the_size_of_rows() -> None:
    """A row of `size` bytes starts a shard in a fraction size/target of all cases: exponential, mean the target."""
    for size in (100, 400, 3000):
        cuts = [starts_shard(b"%d,%d" % (number, size), size, Targets(10_000, 1)) for number in range(20_000)]
        assert size * len(cuts) / sum(cuts) == pytest.approx(10_000, rel=0.1)
    assert starts_shard(b"any", 10_000, Targets(10_000, 1)), "a row as large as the target stands alone"


def test_pages_have_the_target_number_of_shards() -> None:
    """Pages are cut by another hash of the key, so that page cuts and shard cuts are independent."""
    firsts = [b"%d" % number for number in range(40_000)]
    of_shards = [first for first in firsts if starts_shard(first, 1, Targets(10, 10))]
    assert sum(starts_page(first, Targets(10, 10)) for first in of_shards) == pytest.approx(400, rel=0.2)


def test_trees_that_stand_are_cut_by_this_very_rule() -> None:
    """The targets stand in the root, the rule does not: with another one no tree would be what a replay makes of it."""

    def place(text: bytes) -> Fraction:
        return Fraction(int(hashlib.sha256(text).hexdigest()[:16], 16), 1 << 64)

    targets, keys = Targets(1000, 3), [b"2026-11-25T08:00:00.%06dZ,%032x" % (number, number) for number in range(300)]
    for size, key in enumerate(keys, 300):
        assert starts_shard(key, size, targets) == (place(key) < Fraction(size, 1000))
        assert starts_page(key, targets) == (place(b"page:" + key) < Fraction(1, 3))


def test_trees_that_stand_are_named_and_written_in_this_very_way() -> None:
    """Names come from bytes: what is encoded in another way is another page, and another tree, of the same rows."""
    root = Root(3, "c0ffee", ("ingested_at", "etag", "revision"), Targets(5, 6), rows=ROOT.rows)
    content = b'{"format":1,"targets":[5,6],"columns":["ingested_at","etag","revision"],"pages":["00","11"]}'
    assert root.tree_hash == hashlib.sha256(content).hexdigest()
    page = (
        b'{"shards":[{"first":"a","rows":2,"bytes":10,"sha256":"00"},{"first":"b","rows":3,"bytes":20,"sha256":"11"}]}'
    )
    assert encode_page(ROOT.rows.pages) == page + b"\n"
    streams = {"b": "1", "a": "2"}
    same = (
        replace(root, checkpoint=Checkpoint(streams=dict(order)))
        for order in (streams.items(), [*streams.items()][::-1])
    )
    assert len({encode_root(one) for one in same}) == 1
