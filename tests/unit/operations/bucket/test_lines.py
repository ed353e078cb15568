"""Lines of objects: whatever a key holds, lines sort as names do, and say what was written into them."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from operations.bucket.lines import (
    Listed,
    Record,
    bucket_and_key,
    escape,
    name_of,
    object_line,
    read_listed,
    read_record,
    refused_line,
    tombstone_line,
)
from tests.support.odd_keys import ODD_KEYS


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=2))
def test_lines_sort_as_the_keys_do_by_their_bytes(keys: list[str]) -> None:
    """So S3's order is that of the lines, whatever stands behind the name; and the key comes back as it was."""
    names = [f"photos/{key}" for key in {*keys, *ODD_KEYS}]
    lines = sorted(object_line(escape(name), "z" * (number % 3), number, "") for number, name in enumerate(names))
    assert all(line.count(b"\n") == 1 and line.endswith(b"\n") for line in lines)
    assert ["/".join(bucket_and_key(name_of(line))) for line in lines] == sorted(names, key=str.encode)
    assert sorted(names) == sorted(names, key=str.encode), "Python sorts texts as UTF-8 does, and not as UTF-16"
    for one, other in pairwise(sorted(names)):
        assert (escape(other).startswith(escape(one))) == other.startswith(one)


def test_a_line_says_what_was_written_into_it() -> None:
    """What is not known is empty; a server's odd ETag does no harm; times are cut to the second."""
    name = escape("photos/a\nb.jpg")
    cases = [
        (object_line(name, "e-1", 5, "2026-11-26T12:00:00.999Z"), Record("e-1", 5, "2026-11-26T12:00:00Z", None)),
        (object_line(name, "", "", ""), Record("", None, "", None)),
        (object_line(name, "e\t\n\0", 0, ""), Record("e\t\n\0", 0, "", None)),
        (refused_line(name, "e\n", 7), Record("e\n", None, "", 7)),
        (tombstone_line(name), Record("", None, "", None)),
    ]
    for line, said in cases:
        assert (read_record(line), bucket_and_key(name_of(line))) == (said, ("photos", "a\nb.jpg")), line
        assert read_listed(line) == Listed(*said[:3])
        assert said.holds_image == (said.etag[:1] == "e" and said.reader is None)
