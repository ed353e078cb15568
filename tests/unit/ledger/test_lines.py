"""Lines as they lie: found, taken and counted without splitting."""

from bisect import bisect_left

from hypothesis import given
from hypothesis import strategies as st

from ledger.lines import count_lines, line_at, offset_of

KEYS = st.from_regex(r"[0-9A-Za-z][-./0-9:;=A-Z_a-z]{0,5}", fullmatch=True).map(lambda etag: b"2026," + etag.encode())


@given(
    st.sets(KEYS, max_size=40), KEYS, st.integers(0, 40), st.binary(max_size=9).map(lambda rest: rest.hex().encode())
)
def test_a_line_is_found_where_a_list_of_lines_has_it(keys: set[bytes], key: bytes, begin: int, rest: bytes) -> None:
    """Whatever the keys (one may begin with another), from the beginning or from any line on."""
    lines = [b"%b,1,%b\n" % (one, rest) for one in sorted(keys)]
    begin = min(begin, len(lines))
    index = bisect_left(lines, key, lo=begin)
    body = b"".join(lines)
    at = offset_of(body, key, len(b"".join(lines[:begin])))
    assert at == len(b"".join(lines[:index]))
    held = index < len(lines) and lines[index].startswith(key + b",")
    assert line_at(body, at, key) == (lines[index] if held else None)


@given(st.lists(st.sampled_from([b"", b"a", b"long, longer"]), max_size=30))
def test_lines_are_counted_by_their_ends(lines: list[bytes]) -> None:
    body = b"".join(line + b"\n" for line in lines)
    assert count_lines(body) == body.count(b"\n") == len(lines)


def test_a_key_that_only_begins_a_line_has_none() -> None:
    """ETags come from S3 and may be of any length: `ab` is not `abc`, also where that stands in its place."""
    for line in (b"2026,abc,1\n", b"2026,ab-2,1\n"):
        assert line_at(line, offset_of(line, b"2026,ab"), b"2026,ab") is None
