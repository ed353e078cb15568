"""What one photo costs, measured from outside: in a process that may die of it."""

import gc
import json
import os
import resource
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from image_processor import FileSource, extract

PATIENCE = 20
"""Seconds of CPU after which a reader is stopped."""

MOST_MEMORY = 4 << 30
"""Bytes of address space that a reader may have."""


@dataclass(frozen=True)
class Cost:
    """What one photo cost.

    Attributes:
        name: of the photo.
        bytes: size of the file.
        seconds: CPU time.
        mb: most memory in use at once, above what was in use before, in MB.
        item_bytes: bytes of the attributes.
        limits: warnings of limits that the photo reached.
        unnamed: those of them that its row does not name.
        fault: what its reader died of; a photo that does so costs its neighbours.
    """

    name: str
    bytes: int = 0
    seconds: float = 0.0
    mb: float = 0.0
    item_bytes: int = 0
    limits: list[str] = field(default_factory=list)
    unnamed: list[str] = field(default_factory=list)
    fault: str | None = None


def costs(names: Sequence[str], make: Callable[[str], bytes], fresh: bool = False) -> Iterator[Cost]:
    """Read photos one after the other in a process of their own, and in another one after each that killed it.

    Yet another process makes them, as files: the memory that making them has freed would hide what reading them takes.

    Args:
        names: of the photos.
        make: gives a photo's bytes.
        fresh: a process for each, so that none finds memory that another has left behind.
    """
    done = 0
    while done < len(names):
        batch = names[done : done + 1] if fresh else names[done:]
        came = 0
        with TemporaryDirectory(prefix="skyledger-hostile-") as folder:
            for _ in _in_a_process(_make_all, batch, make, Path(folder)):
                pass
            for cost in _in_a_process(_read_all, batch, Path(folder)):
                came += 1
                yield Cost(**cost)
        if came < len(batch):
            yield Cost(batch[came], fault="its process died")
            came += 1
        done += came


def _in_a_process(work: Callable[..., Iterable[Any]], *arguments: Any) -> Iterator[Any]:
    """Give what work gives, as JSON, as far as its process lives."""
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        os.close(ours)
        with os.fdopen(theirs, "w") as out:
            for item in work(*arguments):
                print(json.dumps(item), file=out, flush=True)
        os._exit(0)
    os.close(theirs)
    try:
        with os.fdopen(ours) as lines:
            yield from map(json.loads, lines)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _make_all(names: Sequence[str], make: Callable[[str], bytes], folder: Path) -> Iterator[str]:
    for number, name in enumerate(names):
        (folder / str(number)).write_bytes(make(name))
        yield name


def _read_all(names: Sequence[str], folder: Path) -> Iterator[dict[str, Any]]:
    gc.freeze()  # what the process was forked from is not the reader's to look through
    most = _memory("VmSize") + MOST_MEMORY  # what the process was forked from may be large
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    for number, name in enumerate(names):
        used = int(resource.getrusage(resource.RUSAGE_SELF).ru_utime)
        resource.setrlimit(resource.RLIMIT_CPU, (used + PATIENCE, resource.RLIM_INFINITY))
        yield asdict(_cost(name, folder / str(number)))


def _cost(name: str, path: Path) -> Cost:
    with open("/proc/self/clear_refs", "w") as peak:
        peak.write("5")  # Linux: the peak starts anew (proc(5), clear_refs)
    source, record, fault = FileSource(path), None, None
    before, started = _memory("VmRSS"), time.process_time()
    try:
        record = extract(source)
    except BaseException as error:  # whatever it is, the function would not have lived on
        fault = repr(error)[:200]
    seconds = time.process_time() - started
    memory = (_memory("VmHWM") - before) / 1e6
    attributes = record.attributes if record else {}
    size = sum(len(key) + len(text.encode()) for key, value in attributes.items() for text in value.values())
    limits = source.budget.warnings()
    named = json.loads(attributes.get("warnings", {"S": "[]"})["S"])
    unnamed = [limit for limit in limits if limit not in named]
    return Cost(name, source.size, round(seconds, 4), round(memory, 1), size, limits, unnamed, fault)


def _memory(field: str) -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field))
