"""What differs between objects and records is found, nothing else is, and ranges add up to the whole."""

import random
from itertools import pairwise

import pytest

from operations.bucket.compare import Counts, Difference, Kind, Rules, between, compare, is_newer
from operations.bucket.lines import Listed, escape, name_of, object_line, refused_line, tombstone_line
from operations.bucket.sources import Sources

NAME = escape("photos/a\n.jpg")
AT, MINUTE, LATER = "2026-11-26T12:00:00Z", "2026-11-26T12:01:00Z", "2026-11-26T12:01:01Z"
RULES = Rules(Sources(("photos",)), reader=3)


def _image(etag: str = "e", size: int | str = 5, modified: str = AT) -> bytes:
    return object_line(NAME, etag, size, modified)


@pytest.mark.parametrize(
    ("listed", "record", "kind"),
    [
        (_image(), _image(), None),
        (_image(), None, Kind.MISSING),
        (_image(), tombstone_line(NAME), Kind.MISSING),
        (_image(size=0), None, None),
        (_image(size=0), tombstone_line(NAME), None),
        (_image(size=0), refused_line(NAME, "x", 3), None),
        (_image(size=0), _image(size=0), Kind.STALE),
        (_image(size=0), _image(), Kind.STALE),
        (_image(size=""), None, Kind.MISSING),
        (_image("f"), _image(), Kind.STALE),
        (_image(size=6), _image(), Kind.STALE),
        (_image(modified=MINUTE), _image(), None),
        (_image(modified=LATER), _image(), Kind.STALE),
        (_image(), _image(modified=LATER), None),
        (_image("", "", ""), _image(), None),
        (_image("", 6), _image(), Kind.STALE),
        (_image(modified=LATER), _image(size="", modified=""), None),
        (_image("f", "", ""), _image(size="", modified=""), Kind.STALE),
        (_image("e", "", ""), _image(size="", modified=""), None),
        (_image(), refused_line(NAME, "e", 3), None),
        (_image(modified=LATER), refused_line(NAME, "e", 4), None),
        (_image(), refused_line(NAME, "e", 2), Kind.UNREAD),
        (_image("f"), refused_line(NAME, "e", 2), Kind.STALE),
        (None, _image(), Kind.PHANTOM),
        (None, tombstone_line(NAME), None),
        (None, refused_line(NAME, "e", 2), None),
    ],
)
def test_an_object_and_its_record_are_judged(listed: bytes | None, record: bytes | None, kind: Kind | None) -> None:
    """Missing, stale, phantom, or refused by an older reader; what is not known on one side decides nothing."""
    counts = Counts()
    sides = (iter([one] if one else []) for one in (listed, record))
    found = [*compare(*sides, RULES, counts)]
    assert [one.kind for one in found] == ([kind] if kind else [])
    assert counts == Counts(listed=int(listed is not None), records=int(record is not None)) + _counted(found)
    assert all(one.name == NAME and (one.listed is None) == (listed is None) for one in found)


def _counted(found: list[Difference]) -> Counts:
    counts = Counts()
    for one in found:
        counts.add(one.kind)
    return counts


def test_what_is_young_is_counted_and_not_judged() -> None:
    """By the object's time, or the record's; what agrees is no matter how young."""
    old, new = "2026-11-26T11:59:59Z", AT
    rules = Rules(RULES.sources, young=AT)
    for listed, record, young in (
        (_image(modified=new), None, 1),
        (_image(modified=old), None, 0),
        (None, _image(modified=new), 1),
        (None, _image(modified=old), 0),
        (_image("f", modified=old), _image(modified=new), 1),
        (_image(modified=new), _image(modified=new), 0),
        (None, _image(modified="2190-01-01T00:00:00Z"), 0),  # no event's: put in by hand, and never young
    ):
        counts = Counts()
        found = [*compare(iter([listed] if listed else []), iter([record] if record else []), rules, counts)]
        assert counts.young == young, (listed, record)
        assert len(found) == (not young and listed != record)


def test_an_object_whose_time_is_not_known_may_be_newer_than_any() -> None:
    """An inventory need not have times: to pass over all that it lists would be to lose it without a word."""
    for than, modified, newer in (("", "", True), (AT, "", True), (AT, AT, False), ("", AT, True), ("2026", AT, True)):
        assert is_newer(Listed("e", 1, modified), than) is newer, (than, modified)


def test_records_of_what_is_no_source_are_outside_and_of_no_account() -> None:
    """A bucket that was taken from the list, a prefix no longer in it, and all that a command was not pointed at."""
    rules = Rules(Sources(("photos",), ("a/",)))
    names = ["other/a/1", "photos/a/1", "photos/a/2", "photos/b"]
    counts = Counts()
    records = iter([object_line(escape(name), "e", 5, AT) for name in names])
    found = [*compare(iter([object_line(escape("photos/a/2"), "e", 5, AT)]), records, rules, counts)]
    assert [(one.kind, one.name) for one in found] == [(Kind.PHANTOM, b"photos/a/1")]
    assert counts == Counts(listed=1, records=4, phantom=1, outside=2)


@pytest.mark.parametrize("seed", range(30))
def test_seeded_differences_are_found_whole_and_in_ranges(seed: int) -> None:
    """Every one and no other, against a comparison of whole dictionaries; ranges found one by one add up."""
    rng = random.Random(seed)
    alphabet = "/a\n\x01\uffff😀-0"
    names = {escape("photos/" + "".join(rng.choices(alphabet, k=rng.randint(1, 4)))) for _ in range(60)}
    listed = {name: object_line(name, rng.choice("ef"), rng.choice((0, 5)), AT) for name in names if rng.random() < 0.7}
    records = {
        name: rng.choice(
            (object_line(name, "e", 5, AT), listed.get(name, tombstone_line(name)), refused_line(name, "f", 3))
        )
        for name in names
        if rng.random() < 0.7
    }
    one_by_one = {}
    for name in names:
        one = listed.get(name), records.get(name)
        for found in compare(*(iter([side] if side else []) for side in one), RULES, Counts()):
            one_by_one[name] = found.kind
    counts = Counts()
    whole = [*compare(iter(sorted(listed.values())), iter(sorted(records.values())), RULES, counts)]
    assert {one.name: one.kind for one in whole} == one_by_one
    assert [one.name for one in whole] == sorted(one_by_one)
    cuts = [b"", *sorted(rng.sample(sorted(names), 4)), None]
    parts, summed = [], Counts()
    for lower, upper in pairwise(cuts):
        of_range = Counts()
        sides = (between(iter(sorted(side.values())), lower or b"", upper) for side in (listed, records))
        parts += compare(*sides, RULES, of_range)
        summed += of_range
    assert (parts, summed) == (whole, counts)
    assert counts.listed == len(listed)
    assert counts.records == len({name_of(line) for line in records.values()})
