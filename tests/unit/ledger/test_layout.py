"""Pieces and parts: whatever changed, the parts are the new CSV, S3 takes them, and few bytes are uploaded."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from unittest import mock

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from ledger import layout
from ledger.layout import Copy, Literal, Part, Piece, Shard, Upload, parts, pieces
from ledger.manifest import Entry, Root, Tree

# S3's limits in small: 5 MiB, 5 GiB, 10,000 parts, and our own sizes of uploads and copies.
SMALLEST, LARGEST, MOST, UPLOAD, COPIES = 50, 4000, 40, 80, 8
LARGEST_COPY, FEW_COPIES, IDLE_COPY = 400, 4, 60


@pytest.fixture(autouse=True, scope="module")
def _small_limits() -> Iterator[None]:
    limits = {"SMALLEST_PART": SMALLEST, "LARGEST_PART": LARGEST, "MOST_PARTS": MOST}
    own = {"UPLOAD_PART": UPLOAD, "COPIES": COPIES, "FEW_COPIES": FEW_COPIES}
    own |= {"LARGEST_COPY": LARGEST_COPY, "IDLE_COPY": IDLE_COPY}
    with mock.patch.multiple(layout, **own, **limits):
        yield


@dataclass
class Csv:
    """A CSV with its root, pages and shards."""

    header: bytes
    root: Root
    pages: dict[str, Sequence[Entry]] = field(default_factory=dict)
    shards: dict[str, bytes] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        order = [shard.sha256 for page in self.root.rows.pages for shard in self.pages[page.sha256]]
        return self.header + b"".join(self.shards[digest] for digest in order)


def make_csv(header: bytes, sizes: dict[int, tuple[int, int]], page_of: dict[int, int]) -> Csv:
    """Make a CSV of shards: number -> (size, variant); shards of one page number stand in one page."""
    made = Csv(header, Root())
    pages: dict[int, list[Entry]] = {}
    for number, (size, variant) in sorted(sizes.items()):
        body = (b"%d/%d;" % (number, variant) * (size // 4 + 1))[:size]
        digest = hashlib.sha256(b"%d %d %d" % (number, size, variant)).hexdigest()
        made.shards[digest] = body
        pages.setdefault(page_of[number], []).append(Entry(b"%06d" % number, 1, size, digest))
    entries = []
    for _, shards in sorted(pages.items()):
        digest = hashlib.sha256(repr(shards).encode()).hexdigest()
        made.pages[digest] = shards
        entries.append(Entry(shards[0].first, len(shards), sum(shard.bytes for shard in shards), digest))
    made.root = Root(rows=Tree(tuple(entries)))
    return made


@st.composite
def neighbours(draw: st.DrawFn) -> tuple[Csv, Csv]:
    """Draw a CSV and what it may be next: shards changed, gone, new; pages cut elsewhere."""
    count = draw(st.integers(0, 60))
    size = st.one_of(st.integers(1, 30), st.integers(1, 400))
    old = {number: (draw(size), 0) for number in range(0, 2 * count, 2)}
    new = dict(old)
    for number in draw(st.lists(st.integers(0, 2 * count), max_size=8)):
        kind = draw(st.sampled_from(["changed", "gone", "new"]))
        if kind == "changed" and number in new:
            new[number] = (draw(size), 1)
        elif kind == "gone":
            new.pop(number, None)
        elif kind == "new":
            new[number | 1] = (draw(size), 2)
    every = draw(st.integers(1, 10))
    cuts = {number: number // every for number in range(2 * count + 2)}
    moved = draw(st.booleans())
    header = draw(st.sampled_from([b"header\n", b"another, longer header\n"]))
    return make_csv(b"header\n", old, cuts), make_csv(
        header, new, {number: (number + every // 2 * moved) // every for number in cuts}
    )


def plan(old: Csv | None, new: Csv, at_once: int = 2) -> tuple[list[Piece], list[Part], list[list[str]]]:
    """Lay out as `publish` does; give also the pages that were looked into, as they were asked for."""
    known = (old.pages if old else {}) | new.pages
    asked: list[list[str]] = []

    def load(entries: Sequence[Entry]) -> dict[str, Sequence[Entry]]:
        asked.append([entry.sha256 for entry in entries])
        return {entry.sha256: known[entry.sha256] for entry in entries}

    with mock.patch.object(layout, "PAGES_AT_ONCE", at_once):
        found = pieces(old.root if old else None, new.root, load, old.header if old else b"", new.header)
    return found, parts(found, len(new.body)), asked


def content(piece: Piece | Upload, old: bytes, new: Csv) -> bytes:
    """Make the bytes of a piece or part."""
    if isinstance(piece, Upload):
        return b"".join(content(one, old, new) for one in piece.pieces)
    if isinstance(piece, Copy):
        assert 0 <= piece.first <= piece.last < len(old)
        return old[piece.first : piece.last + 1]
    return piece.body if isinstance(piece, Literal) else new.shards[piece.sha256]


def s3_takes(made: Sequence[Part]) -> bool:
    """S3's rules: 5 MiB and more (the last may be smaller), 5 GiB at most, 10,000 parts at most."""
    return (
        len(made) <= MOST
        and all(part.size >= SMALLEST for part in made[:-1])
        and all(0 < part.size <= LARGEST for part in made)
    )


def allowed_upload(found: Sequence[Piece]) -> int:
    """Add up what may pass through the function: what changed, and two borders at most per changed region."""
    changed = sum(piece.size for piece in found if not isinstance(piece, Copy))
    # A region: new bytes, or a place where bytes are gone and two ranges meet.
    regions = sum(
        isinstance(before, Copy) or (before is None and not isinstance(piece, Copy))
        for before, piece in zip([None, *found], found, strict=False)
    )
    starts_short = isinstance(found[0], Copy) and found[0].size < SMALLEST
    return changed + 2 * SMALLEST * regions + SMALLEST * starts_short


@given(neighbours())
def test_parts_reproduce_the_new_csv_within_s3s_rules_and_upload_what_changed(both: tuple[Csv, Csv]) -> None:
    """Any old and new roots and pages: same bytes, S3's limits, and at most two 5 MiB borders per changed region."""
    old, new = both
    found, made, _ = plan(old, new)
    assert b"".join(content(piece, old.body, new) for piece in found) == new.body
    assert b"".join(content(part, old.body, new) for part in made) == new.body
    assert s3_takes(made)
    uploaded = sum(part.size for part in made if isinstance(part, Upload))
    event(f"regions {sum(not isinstance(piece, Copy) for piece in found)}")
    if len(made) < MOST // 2:
        assert uploaded <= allowed_upload(found)


@given(neighbours())
def test_without_a_present_csv_all_bytes_come_from_the_shards(both: tuple[Csv, Csv]) -> None:
    """The fall-back: no copies, the same bytes, S3's limits."""
    _, new = both
    found, made, _ = plan(None, new)
    assert not any(isinstance(one, Copy) for one in [*found, *made])
    assert b"".join(content(part, b"", new) for part in made) == new.body
    assert s3_takes(made)


def test_unchanged_pages_are_one_range_and_are_never_looked_into() -> None:
    """A commit at the tail of a large CSV: one long copy, then the tail's new bytes; the other pages are not needed."""
    shards = dict.fromkeys(range(20), (100, 0))
    pages = {number: number // 4 for number in range(21)}
    old, new = make_csv(b"header\n", shards, pages), make_csv(b"header\n", shards | {19: (130, 1)}, pages)
    found, made, asked = plan(old, new)
    assert asked == [[old.root.rows.pages[-1].sha256, new.root.rows.pages[-1].sha256]]
    tail = list(new.shards)[-1]
    assert found == [Copy(0, len(b"header\n") + 1900 - 1), Shard(tail, 130)]
    assert [part for part in made if isinstance(part, Upload)] == [Upload((Shard(tail, 130),))]


def test_of_many_changed_pages_only_a_few_are_in_memory_at_once() -> None:
    """Changes all over a table of 10^8 rows: each shard that stayed is found in the page that it was in."""
    pages = {number: number // 4 for number in range(80)}
    old = make_csv(b"header\n", dict.fromkeys(range(80), (100, 0)), pages)
    new = make_csv(b"header\n", {number: (100, int(number % 4 == 1)) for number in range(80)}, pages)
    found, _, asked = plan(old, new, at_once=6)
    assert [len(some) for some in asked] == [6] * 6 + [4]
    assert sum(isinstance(piece, Shard) for piece in found) == 20
    assert b"".join(content(piece, old.body, new) for piece in found) == new.body


def test_what_is_gone_needs_no_look() -> None:
    """X7: no page of the new root is unknown, so none of the old one has to be read."""
    shards = dict.fromkeys(range(20), (100, 0))
    pages = {number: number // 4 for number in range(20)}
    old = make_csv(b"header\n", shards, pages)
    _, _, asked = plan(old, make_csv(b"header\n", {}, pages))
    assert not any(asked)
    fewer = make_csv(b"header\n", {number: size for number, size in shards.items() if number // 4 != 2}, pages)
    found, _, asked = plan(old, fewer)
    assert not any(asked)
    assert [type(piece) for piece in found] == [Copy, Copy]


def test_a_long_range_is_copied_in_equal_parts() -> None:
    """About COPIES of them whatever the size, as long as none is above the largest copy."""
    made = parts([Copy(0, 999)], 1000)
    assert {part.size for part in made} == {125}
    assert len(made) == COPIES
    for size in (2 * COPIES * LARGEST_COPY, 2 * COPIES * LARGEST_COPY + LARGEST_COPY // 3):
        huge = parts([Copy(0, size - 1)], size)
        assert sum(part.size for part in huge) == size
        assert max(part.size for part in huge) <= LARGEST_COPY, "S3 is silent while it copies"
        assert len(huge) <= 2 * COPIES + 1


@pytest.mark.parametrize(("idle_copies", "copies"), [(1, 1), (2, 1), (4, 2), (10, 3), (25, 5)])
def test_an_idle_ledger_is_published_by_so_many_copies_that_requests_and_waiting_cost_least(
    idle_copies: int, copies: int
) -> None:
    """The root of the size: with one more the request costs more than it saves, with one less the wait does."""
    size = idle_copies * IDLE_COPY
    assert len(parts([Copy(0, size - 1)], size, 1, is_idle=True)) == copies

    def cost(number: int) -> float:
        return number + idle_copies / number

    assert cost(copies) <= min(cost(copies + 1), cost(max(1, copies - 1)))


def test_no_copy_of_an_idle_ledger_is_silent_for_long() -> None:
    """However large it is; and changes share the price."""
    size = 5 * LARGEST_COPY
    made = parts([Copy(0, size - 1)], size, 1, is_idle=True)
    assert max(part.size for part in made) <= LARGEST_COPY
    assert len(parts([Copy(0, size - 1)], size, 7, is_idle=True)) == 7, "seven changes share the price"
    few = parts([Copy(0, LARGEST_COPY - 1)], LARGEST_COPY, 1)
    assert len(few) == FEW_COPIES, "where the next publish is near, age matters"


def test_beyond_the_number_of_parts_copies_become_larger() -> None:
    """S3 takes no more parts; a copy may then be silent for longer."""
    size = 2 * MOST * LARGEST_COPY
    made = parts([Copy(0, size - 1)], size)
    assert len(made) <= MOST
    assert LARGEST_COPY < max(part.size for part in made) <= LARGEST
    changed = parts([Copy(0, size // 2), Literal(b"new"), Copy(size // 2 + 1, size - 1)], size + 3)
    assert len(changed) <= MOST
    uploads = [part.size for part in changed if isinstance(part, Upload)]
    assert max(uploads) < LARGEST_COPY, "what passes through the function grows no further than it must"


def test_short_new_bytes_borrow_from_the_range_behind() -> None:
    """A new row of 3 bytes in the middle: 47 unchanged bytes go along, since a part has 50 at least."""
    found = [Copy(0, 199), Literal(b"new"), Copy(200, 399)]
    made = parts(found, 403)
    assert Upload((Literal(b"new"), Copy(200, 246))) in made
    assert sum(part.size for part in made if isinstance(part, Upload)) == SMALLEST


def test_the_rest_of_an_upload_that_is_too_small_joins_the_one_before() -> None:
    """S3 refuses a small part in the middle: 80 new bytes fill an upload, and 10 more are none of their own."""
    made = parts([Literal(b"a" * UPLOAD), Literal(b"b" * 10), Copy(0, 399)], UPLOAD + 10 + 400)
    assert s3_takes(made)
    assert made[0] == Upload((Literal(b"a" * UPLOAD), Literal(b"b" * 10)))


def test_a_range_too_short_for_a_part_goes_along_whole() -> None:
    found = [Literal(b"a" * 60), Copy(0, SMALLEST - 2), Literal(b"b" * 60)]
    assert all(isinstance(part, Upload) for part in parts(found, 60 + 49 + 60))


def test_many_changed_regions_still_fit_in_s3s_number_of_parts() -> None:
    """A change every few hundred bytes, all over a long CSV: regions join until 10,000 parts suffice."""
    found: list[Piece] = []
    for number in range(4 * MOST):
        found += [Copy(number * 300, number * 300 + 298), Literal(b"x")]
    made = parts(found, 300 * 4 * MOST)
    assert s3_takes(made)
    assert any(isinstance(part, Copy) for part in made) or len(made) > MOST // 4


def test_a_rebuild_of_a_huge_csv_still_fits_in_s3s_number_of_parts() -> None:
    """The uploads grow with it; and laying out 100,000 shards takes no more than a moment."""
    found: list[Piece] = [Shard(str(number), 1) for number in range(100_000)]
    assert s3_takes(parts(found, 100_000))


def test_nothing_but_a_header_is_one_upload() -> None:
    """X7: all rows gone."""
    assert parts([Literal(b"header\n")], 7) == [Upload((Literal(b"header\n"),))]
