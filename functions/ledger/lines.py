"""Lines in key order, searched and counted as they lie: a shard is split into its lines only where that is needed."""

_NEAR = 4096  # bytes of one or two rows


def offset_of(body: bytes, key: bytes, start: int = 0) -> int:
    """Find where in a shard's lines a key stands or belongs: the offset of the first line that is not before it.

    The lines are searched as they lie, by halving, since most of them are never looked at: to split a shard into its
    lines costs more than all else that an edit of one row does.

    Args:
        body: lines in key order.
        key: to look for.
        start: offset of a line from which on to look.
    """
    end, step = len(body), _NEAR
    middle = start
    while start < end:
        first = body.rfind(b"\n", start, middle) + 1 or start
        if body[first : first + len(key)] < key:  # ETags have no character before the comma, so this is a key's order
            start = body.index(b"\n", first) + 1
            middle = min(start + step, (start + end) // 2)  # changes often lie close together
            step *= 4
        else:
            end = first
            middle = (start + end) // 2
    return start


def line_at(body: bytes, at: int, key: bytes) -> bytes | None:
    """Give the line at an offset if it has this key."""
    if body.startswith(key, at) and body[at + len(key) : at + len(key) + 1] == b",":
        return body[at : body.index(b"\n", at) + 1]
    return None


def count_lines(body: bytes) -> int:
    """Count the lines; `bytes.count` looks at every byte by itself and takes eight times as long."""
    count = at = 0
    while at := body.find(b"\n", at) + 1:
        count += 1
    return count
