"""The last line: an image is read in a process of its own, whose end, however bad, is one row with a warning.

Readers have bounds on time, memory and depth. This is for the bound that somebody forgot: a reader that hangs, holds
the interpreter, eats the memory or crashes takes its whole function with it, and SQS delivers the batch again. So a
batch in which a message comes again is read like this, one image after another:

    this function                            the process (`reader_process`)
     |  fetch the head from S3, start it
     |                                       import, then bind itself: memory, processor time
     |  <- give me these bytes               walk
     |  fetch them; its clock stands ->      go on
     |  <- the record                        end
     |  write the row

The parent ends a process that takes too long. What S3 says stays what it was: its errors are raised here, and its time
is nobody's. It is no jail for code that an attacker runs: it has no credentials, and may still look around.

Lambda has no /dev/shm, so queues and pools of `multiprocessing` fail there, and its pipes work (AWS Compute Blog,
"Parallel Processing in Python with AWS Lambda"). A fresh interpreter is started, since a fork of a function with
threads may inherit a lock that nobody will open (Python's `os.fork`).
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from threading import Lock
from typing import Any

from image_processor import reader_process
from image_processor.columns.extract import Record
from image_processor.errors import ObjectBroken, OutOfTime, ReaderFailed, ReaderNotStarted, ReadLimitReached
from image_processor.intake import READ_RESERVE_S
from image_processor.reading.ranged import Source

READ_SECONDS = 3.0
"""Seconds that a process may take for an image, S3's not counted: a hundred times what one needs, and a whole batch
that breaks it (ten, with their starts) still ends before the invocation does."""

START_SECONDS = 10.0
"""Seconds until a process asks for the first byte: a tenth of one, but a small function has a seventh of a processor,
and the first start compiles the sources."""

MAX_MESSAGE = 4 * 1024 * 1024
"""Bytes of what a process may say at once: an item's 380 KB, escaped as ASCII, fit twice."""

_INHERITED = ("LANG", "LD_LIBRARY_PATH", "PATH", "TZ")
"""Variables that a Python of Lambda needs to start (LD_LIBRARY_PATH names its own library), and no secret."""


class Isolation:
    """Reads the images of one invocation, each in a process of its own; may be used by several threads at once.

    Args:
        memory_bytes: for one process; the others of its invocation wait, so that there is never another.
        time_left: seconds until the invocation ends.
    """

    def __init__(self, memory_bytes: int, time_left: Callable[[], float]) -> None:
        self._memory_bytes = memory_bytes
        self._time_left = time_left
        self._turn = Lock()

    def extract(self, source: Source, *, last: bool) -> Record | None:
        """Do as `columns.extract`, elsewhere.

        Args:
            source: the object.
            last: nobody will try again: an image on which the reader has a fault is given up, too.

        Raises:
            ObjectError: the object could not be read; `ObjectBroken` because of what it holds.
            ReaderFailed: the reader has a fault, and is tried again: code that was deployed by mistake is taken back.
            ReaderNotStarted, OutOfTime: nothing is known of the object.
        """
        source.read(0, 1)  # the head, while others have their turn: a slow S3 is slow for all at once
        with self._turn:
            if self._time_left() < READ_RESERVE_S:
                raise OutOfTime("too little time left to begin another read")
            with _process(source.size, self._memory_bytes) as (process, pipe):
                said = _converse(source, process, pipe)
        if "broken" in said:
            raise self._meaning(said["broken"], said["trace"], last)
        record = said["record"]
        return record and Record(record["content_type"], record["attributes"])

    def _meaning(self, error: str, trace: str, last: bool) -> Exception:
        meaning: Exception
        if error == MemoryError.__name__:
            meaning = ObjectBroken(f"reading needed more than {self._memory_bytes >> 20} MB")
        else:
            meaning = ObjectBroken(f"the reader failed ({error})") if last else ReaderFailed(error)
        meaning.add_note(trace)
        return meaning


@contextmanager
def _process(size: int, memory_bytes: int) -> Iterator[tuple["subprocess.Popen[bytes]", Connection]]:
    """Start the process; end it in any case."""
    pipe, its_end = Pipe()
    with pipe:
        with its_end:
            arguments = (its_end.fileno(), size, memory_bytes, READ_SECONDS)
            # -P: only what the parent imports from; faulthandler: a crash names its place in the log.
            command = [sys.executable, "-P", "-X", "faulthandler", "-m", reader_process.__name__, *map(str, arguments)]
            try:
                process = subprocess.Popen(
                    command,
                    env=_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=(its_end.fileno(),),
                )
            except OSError as error:
                raise ReaderNotStarted(str(error)) from error
        try:
            yield process, pipe
        finally:
            process.kill()
            process.wait()


def _environment() -> dict[str, str]:
    return {
        **{name: os.environ[name] for name in _INHERITED if name in os.environ},
        "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path)),
        "PYTHONPYCACHEPREFIX": sys.pycache_prefix or _compiled().name,
    }


@cache
def _compiled() -> "tempfile.TemporaryDirectory[str]":
    """Keep what the first process compiles for the next ones: a bundle has sources only, in read-only folders."""
    return tempfile.TemporaryDirectory(prefix="skyledger-")


def _converse(source: Source, process: "subprocess.Popen[bytes]", pipe: Connection) -> dict[str, Any]:
    """Answer the process until it has an outcome; its clock runs only while it is waited for."""
    left, started = START_SECONDS, False
    while True:
        began = time.monotonic()
        try:
            if not pipe.poll(max(0.0, left)):
                trouble = f"reading took longer than {READ_SECONDS:g} s" if started else "it took too long"
                break
            said = _told(pipe.recv_bytes(MAX_MESSAGE))
        except (EOFError, OSError, ValueError):
            trouble = _end(process)
            break
        left = left - (time.monotonic() - began) if started else READ_SECONDS
        started = True
        if "read" not in said:
            return said
        answer = _answer(source, *said["read"])
        with suppress(OSError):  # it has died: the next look at the pipe says so
            pipe.send_bytes(answer)
    raise ObjectBroken(trouble) if started else ReaderNotStarted(trouble)


def _told(message: bytes) -> dict[str, Any]:
    """Read what a process says, which a photo may have led astray.

    Raises:
        ValueError: it is nothing that a process may say.
    """
    try:
        said: dict[str, Any] = json.loads(message)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    match said:
        case {"read": [int(), int()]} | {"broken": str(), "trace": str()} | {"record": None}:
            return said
        case {"record": {"content_type": str(), "attributes": dict()}}:
            return said
    raise ValueError("no message")


def _answer(source: Source, offset: int, length: int) -> bytes:
    try:
        return reader_process.BYTES + source.read(offset, length)
    except ReadLimitReached as error:
        return reader_process.TOO_MUCH + str(error).encode()


def _end(process: "subprocess.Popen[bytes]") -> str:
    """Say how a process ended that left no outcome."""
    try:
        status = process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        return "the reader gave no answer that can be used"
    if status >= 0:
        return f"the reader ended (status {status})"
    return f"the reader ended ({signal.Signals(-status).name})"
