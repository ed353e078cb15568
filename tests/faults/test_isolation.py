"""An image read in a process of its own: as it is read here, and when it breaks something."""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest

from image_processor import BytesSource, extract, isolation, reader_process
from image_processor.errors import (
    ObjectBroken,
    ObjectChanged,
    ObjectUnavailable,
    OutOfTime,
    ReaderFailed,
    ReaderNotStarted,
)
from image_processor.intake import READ_RESERVE_S
from image_processor.isolation import MAX_MESSAGE, Isolation
from infra.doubles.hostile_photos import RECIPES
from infra.doubles.image_files import ascii_value, heif, jpeg, tiff
from infra.waiting import PATIENCE_SECONDS
from tests.support.bucket_world import PHOTOS
from tests.support.lambda_host import children
from tests.support.paths import BROKEN_READERS, ROOT

MEMORY = 300 * 2**20
FAR = 3 * 2**20
PADDED_TIFF = tiff({0x010F: ascii_value("Skyledger")}).ljust(FAR, b"\0")
SCATTERED = next(recipe for recipe in RECIPES if recipe.name == "TIFF of scattered values").make(70)
MANY_SEGMENTS = jpeg(*[b"\xff\xe3\xff\xff" + bytes(65_533)] * 20)


class Source(BytesSource):
    """An object in memory; `before` is called with the number of each fetch."""

    def __init__(self, data: bytes, before: Callable[[int], None] = lambda _: None) -> None:
        super().__init__(data)
        self._before = before

    def _fetch(self, offset: int, length: int) -> bytes:
        self._before(self.requests)
        return super()._fetch(offset, length)


def readers() -> list[int]:
    """Processes of ours that read images; other tests have others."""
    own = reader_process.__name__.encode()
    return [one for one in children(os.getpid()) if own in _command(one)]


def _command(process: int) -> bytes:
    with suppress(OSError):  # it has ended meanwhile
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    before = {*children(os.getpid())}
    yield
    assert {*children(os.getpid())} <= before, "ended, and nobody has to ask for its status any more"


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is slow because the machine is busy is not what these tests are about."""
    monkeypatch.setattr(isolation, "START_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(isolation, "READ_SECONDS", PATIENCE_SECONDS)


class Clock:
    """The time, with leaps."""

    def __init__(self) -> None:
        self.leapt = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.leapt


@pytest.fixture
def broken_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the process: readers that some photos break."""
    monkeypatch.syspath_prepend(str(BROKEN_READERS))


def isolated(data: bytes, *, last: bool = False, memory: int = MEMORY) -> Any:
    return Isolation(memory, lambda: 60.0).extract(Source(data), last=last)


def raising(error: Exception) -> Callable[[int], None]:
    """Fail the second request for an object."""

    def fetch(number: int) -> None:
        if number == 2:
            raise error

    return fetch


@pytest.mark.parametrize(
    "data",
    [PHOTOS[0], heif(gap=500_000), MANY_SEGMENTS, b"no image", b""],
    ids=["photo", "far item", "many segments", "no image", "empty"],
)
def test_a_record_and_its_requests_are_those_of_a_read_without_a_process(data: bytes) -> None:
    """Where an image is read makes no difference to its row or its cost."""
    apart, here = Source(data), Source(data)
    assert Isolation(MEMORY, lambda: 60.0).extract(apart, last=False) == extract(here)
    assert (apart.requests, apart.bytes_read) == (here.requests, here.bytes_read)


def test_a_read_limit_ends_the_walk_as_it_does_without_a_process() -> None:
    """What was read so far is kept, with the same warning."""
    apart, here = Source(SCATTERED), Source(SCATTERED)
    record = extract(here)
    assert record is not None
    assert "limit: 64 GETs" in record.attributes["warnings"]["S"]
    assert Isolation(MEMORY, lambda: 60.0).extract(apart, last=False) == record


@pytest.mark.parametrize("error", [ObjectUnavailable("503"), ObjectChanged("412")], ids=["unavailable", "changed"])
def test_what_s3_says_in_the_middle_of_a_read_is_what_is_raised(error: Exception) -> None:
    """It says nothing of the image: the message comes again, or a newer event follows."""
    with pytest.raises(type(error)) as raised:
        Isolation(MEMORY, lambda: 60.0).extract(Source(MANY_SEGMENTS, raising(error)), last=True)
    assert raised.value is error


def test_the_time_that_s3_takes_is_not_the_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow S3 is passing trouble; a flag in a row stays."""
    monkeypatch.setattr(isolation, "time", clock := Clock())

    def slow(number: int) -> None:
        clock.leapt += PATIENCE_SECONDS

    source = Source(MANY_SEGMENTS, slow)
    assert Isolation(MEMORY, lambda: 60.0).extract(source, last=False) == extract(Source(MANY_SEGMENTS))


def test_the_process_has_no_secret_of_the_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a photo makes of it, it has no credentials."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a secret")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/nowhere/lib")  # without its own, Lambda's Python does not start
    seen: list[bytes] = []

    def look(number: int) -> None:
        seen.extend(Path(f"/proc/{child}/environ").read_bytes() for child in readers())

    Isolation(MEMORY, lambda: 60.0).extract(Source(MANY_SEGMENTS, look), last=False)
    assert seen
    variables = seen[0].split(b"\0")
    assert b"LD_LIBRARY_PATH=/nowhere/lib" in variables
    assert [one for one in variables if one.startswith(b"PYTHONPYCACHEPREFIX=/")], "sources lie in read-only folders"
    assert not [one for one in seen if b"AWS_" in one or b"a secret" in one]


def test_one_process_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may take half of the function's memory. Heads are fetched meanwhile."""
    running: list[int] = []
    heads = threading.Barrier(3, timeout=PATIENCE_SECONDS)

    def look(number: int) -> None:
        if number == 1:
            heads.wait()
        running.append(len(readers()))

    one = Isolation(MEMORY, lambda: 60.0)
    with ThreadPoolExecutor(3) as threads:
        records = threads.map(lambda _: one.extract(Source(MANY_SEGMENTS, look), last=False), range(3))
        assert [*records] == [extract(Source(MANY_SEGMENTS))] * 3
    assert max(running) == 1


def test_no_process_begins_in_the_last_seconds() -> None:
    """A batch of which the first images broke their limits reports the rest, and they come again."""
    source = Source(PHOTOS[0])
    with pytest.raises(OutOfTime):
        Isolation(MEMORY, lambda: READ_RESERVE_S - 0.001).extract(source, last=True)
    assert source.requests == 1


@pytest.mark.parametrize(
    ("habit", "text"),
    [
        ("sleeps", "reading took longer than 0.3 s"),
        ("holds the interpreter", "reading took longer than 0.3 s"),
        ("eats memory", "reading needed more than 60 MB"),
        ("crashes", "the reader ended (SIGSEGV)"),
        ("leaves", "the reader ended (status 3)"),
        ("babbles", "the reader gave no answer that can be used"),
    ],
)
@pytest.mark.usefixtures("broken_readers")
def test_an_image_that_breaks_its_reader_is_told_by_how(
    habit: str, text: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """At once, and not only in the end: there is nothing to wait for. The log has the place of a crash."""
    if habit in ("sleeps", "holds the interpreter"):
        monkeypatch.setattr(isolation, "READ_SECONDS", 0.3)
    with pytest.raises(ObjectBroken) as raised:
        isolated(PHOTOS[0] + habit.encode(), memory=60 * 2**20)
    assert str(raised.value) == text
    if habit == "crashes":
        assert "in crash" in capfd.readouterr().err


@pytest.mark.usefixtures("broken_readers")
def test_what_a_reader_prints_is_not_in_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    """It may be a photo's contents."""
    assert isolated(PHOTOS[0] + b"prints") == extract(BytesSource(PHOTOS[0] + b"prints"))
    assert "a secret" not in capfd.readouterr().out


def test_a_process_imports_from_where_the_function_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not from the folder in which it happens to start."""
    (tmp_path / "json.py").write_text("raise SystemExit(4)")
    monkeypatch.setattr(sys, "path", [os.path.abspath(folder) for folder in sys.path if folder])
    monkeypatch.chdir(tmp_path)
    assert isolated(PHOTOS[0]) == extract(BytesSource(PHOTOS[0]))


def test_a_process_that_dies_while_s3_is_asked_is_told_like_any_other() -> None:
    """Its bytes come for nobody."""

    def kill(number: int) -> None:
        for one in readers():
            os.kill(one, signal.SIGKILL)
            while _command(one):
                time.sleep(0.001)

    with pytest.raises(ObjectBroken, match="SIGKILL"):
        Isolation(MEMORY, lambda: 60.0).extract(Source(MANY_SEGMENTS, kill), last=False)


def test_the_largest_item_of_the_worst_characters_is_told() -> None:
    """What one byte of an item's 400 KB may become in JSON: six characters."""
    assert len(json.dumps({"record": {"content_type": "", "attributes": {"": {"S": "\1" * 400 * 1024}}}})) < MAX_MESSAGE


def test_a_traceback_is_cut_to_its_end() -> None:
    """However deep the reader was: the end says where."""

    def read(depth: int) -> bytes:
        if depth % 2:
            return read(depth - 1)  # in turns, or Python would say that the line was repeated
        if not depth:
            raise ZeroDivisionError("a fault")
        return read(depth - 1)

    source = Source(PHOTOS[0], lambda _: read(100) and None)
    said = reader_process.outcome(source)
    assert said["broken"] == "ZeroDivisionError"
    assert said["trace"].endswith("ZeroDivisionError: a fault\n")
    assert len(said["trace"]) == reader_process.MAX_TRACE <= 8_000


def test_a_process_binds_itself_to_what_is_left_for_its_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """Imports have taken processor time before; a core file would fill the function's disk."""
    limits: dict[int, tuple[int, int]] = {}
    monkeypatch.setattr(resource, "setrlimit", limits.__setitem__)
    monkeypatch.setattr(time, "process_time", lambda: 5.2)
    reader_process.bind(3.0, MEMORY)
    assert limits == {
        resource.RLIMIT_CPU: (9, 10),
        resource.RLIMIT_DATA: (MEMORY, MEMORY),
        resource.RLIMIT_CORE: (0, 0),
    }


@pytest.mark.usefixtures("broken_readers")
def test_a_fault_of_the_reader_is_given_up_in_the_end_only() -> None:
    """Code deployed by mistake, that fails on every photo, is taken back before all of them lose their metadata."""
    with pytest.raises(ReaderFailed) as failed:
        isolated(PHOTOS[0] + b"fails")
    assert str(failed.value) == "ZeroDivisionError"
    assert "in fail" in failed.value.__notes__[0]
    with pytest.raises(ObjectBroken) as broken:
        isolated(PHOTOS[0] + b"fails", last=True)
    assert str(broken.value) == "the reader failed (ZeroDivisionError)"
    assert "in fail" in broken.value.__notes__[0]


@pytest.mark.parametrize("program", ["/bin/false", "/nowhere/python"])
def test_a_process_that_does_not_begin_says_nothing_of_the_image(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its message comes again, and an operator hears of it: no photo is flagged for what is wrong with the function."""
    monkeypatch.setattr(sys, "executable", program)
    with pytest.raises(ReaderNotStarted):
        isolated(PHOTOS[0], last=True)


def test_a_process_whose_parent_is_gone_ends_by_itself() -> None:
    """Nobody is left to end it: the limit on processor time does."""
    program = f"from image_processor.reader_process import bind\nbind(0.2, {MEMORY})\nwhile True: pass"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "functions")}
    ended = subprocess.run([sys.executable, "-c", program], env=environment, timeout=PATIENCE_SECONDS, check=False)
    assert ended.returncode == -signal.SIGXCPU


@pytest.mark.parametrize(
    "message",
    [
        b"[" * 50_000,
        b"[]",
        b"7",
        b"{}",
        b'{"read": ["0", 1]}',
        b'{"read": [0]}',
        b'{"record": {}}',
        b'{"broken": "x"}',
    ],
    ids=["deep", "list", "number", "nothing", "text", "no length", "no attributes", "no trace"],
)
def test_an_answer_that_no_reader_gives_costs_one_row(message: bytes) -> None:
    """A process that a photo took over may say anything: its neighbours never hear of it."""
    ours, theirs = Pipe()
    with ours, theirs, subprocess.Popen([sys.executable, "-c", ""]) as process:
        theirs.send_bytes(b'{"read": [0, 1]}')
        theirs.send_bytes(message)
        with pytest.raises(ObjectBroken, match="the reader ended"):
            isolation._converse(Source(PHOTOS[0]), process, ours)
