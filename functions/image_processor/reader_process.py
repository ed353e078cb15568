"""A process that reads one image and ends: whatever breaks it breaks nothing else.

`isolation` starts it, holds the other end of its pipe, and has S3. Here there are neither credentials nor a client:

    we ask         {"read": [offset, length]}
    it answers     + and the bytes, or - and the cost of which one image may have no more
    we end with    {"record": {"content_type": ..., "attributes": ...}}, or {"record": null} for what is no image,
                   or {"broken": the error's type, "trace": where it was raised}

All of it is JSON and plain bytes: nothing that the parent would have to run.
"""

import json
import math
import resource
import sys
import time
import traceback
from multiprocessing.connection import Connection
from typing import Any

from image_processor.budget import Budget
from image_processor.columns.extract import extract
from image_processor.errors import ReadLimitReached
from image_processor.reading.ranged import BLOCK, Source

BYTES, TOO_MUCH = b"+", b"-"
"""First bytes of an answer."""

MAX_TRACE = 4_000
"""Characters of a traceback that are worth a place in the log: its end says where."""


class PipedSource:
    """An object whose bytes the parent has. What came stays: walks take a few bytes at a time, a question costs more.

    It asks for the blocks in which the bytes lie, so the parent fetches what it would fetch for a reader of its own.

    Args:
        parent: the pipe.
        size: of the object in bytes.
    """

    def __init__(self, parent: Connection, size: int) -> None:
        self.size = size
        self.budget = Budget()
        self._parent = parent
        self._blocks: dict[int, bytes] = {}

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`, fewer only at the end of the object."""
        length = min(length, self.size - offset)
        if offset < 0 or length <= 0:
            return b""
        first, start = divmod(offset, BLOCK)
        numbers = range(first, (offset + length - 1) // BLOCK + 1)
        missing = [number for number in numbers if number not in self._blocks]
        if missing:
            self._ask(missing[0], missing[-1] + 1)
        joined = b"".join(self._blocks.get(number, b"") for number in numbers)
        return joined[start : start + length]

    def _ask(self, first: int, end: int) -> None:
        self._parent.send_bytes(json.dumps({"read": [first * BLOCK, (end - first) * BLOCK]}).encode())
        answer = self._parent.recv_bytes()
        if answer[:1] == TOO_MUCH:
            cost = answer[1:].decode()  # the parent pays for it
            self.budget.want_more(cost)
            raise ReadLimitReached(cost)
        for number in range(first, end):
            start = 1 + (number - first) * BLOCK
            self._blocks[number] = answer[start : start + BLOCK]


def bind(seconds: float, memory_bytes: int) -> None:
    """Limit what this process may use from now on; the parent has a clock of its own, which stands while S3 is asked.

    RLIMIT_DATA counts private writable mappings, so all that Python allocates (getrlimit(2), since Linux 4.7), and not
    the libraries' code.

    Args:
        seconds: of processor time, up to a whole one more: this ends a reader whose parent is gone.
        memory_bytes: for all data, what is in use already included.
    """
    processor = math.ceil(time.process_time() + seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (processor, processor + 1))
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def outcome(source: Source) -> dict[str, Any]:
    """Read the image; give what the parent is to be told."""
    try:
        record = extract(source)
    except Exception as error:
        return {"broken": type(error).__name__, "trace": traceback.format_exc()[-MAX_TRACE:]}
    if record is None:
        return {"record": None}
    return {"record": {"content_type": record.content_type, "attributes": record.attributes}}


def main(pipe: int, size: int, memory_bytes: int, seconds: float) -> None:
    """Read the object of `size` bytes at the other end of the pipe, a file descriptor."""
    with Connection(pipe) as parent:
        bind(seconds, memory_bytes)
        parent.send_bytes(json.dumps(outcome(PipedSource(parent, size))).encode())


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
