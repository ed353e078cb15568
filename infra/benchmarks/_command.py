"""A command as its user meets it: in processes of its own, on a terminal. How long, how much memory, and how silent."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLE_SECONDS = 0.1
_WIDTH, _HEIGHT = 160, 50
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SESSION, _RESIDENT = 3, 1  # fields of /proc/PID/stat after the command's name, and of statm (proc(5))
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# What moves although nothing may: a spinner, and clocks. What a bar shows is left, and its numbers.
_ALIVE = re.compile(r"[\u2800-\u28ff]|-?\d+:\d\d:\d\d")
_REMEMBERED = 50  # lines; whoever draws anew draws lines that were there


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ran.

    Attributes:
        code: exit code.
        seconds: of the clock.
        peak_mb: resident memory of all its processes together, at most; what they share is counted for each.
        silence: the longest time, in seconds, in which nothing new was shown, spinners and clocks left out.
        before_silence: the line that stood there meanwhile.
        scratch_mb: what lay in the watched folder, at most.
        shown: the last lines.
    """

    code: int
    seconds: float
    peak_mb: float
    silence: float
    before_silence: str
    scratch_mb: float
    shown: str


class Screen:
    """Tells what is new of what is written to a terminal."""

    def __init__(self) -> None:
        self._seen: deque[str] = deque(maxlen=_REMEMBERED)
        self._rest = ""

    def show(self, text: str) -> bool:
        """Take what was written; say whether anything of it is new."""
        *lines, self._rest = re.split(r"[\r\n]+", self._rest + text)
        new = False
        for line in map(_still, lines):
            if line and line not in self._seen:
                self._seen.append(line)
                new = True
        return new

    def newest(self) -> str:
        """Give the line that was new last."""
        return self._seen[-1] if self._seen else ""

    def last(self) -> str:
        """Give the last lines."""
        return "\n".join([*self._seen, _still(self._rest)][-20:])


def _still(line: str) -> str:
    return _ALIVE.sub("", _CONTROL.sub("", line)).strip()


def run(command: Sequence[str], environment: Mapping[str, str], watched: Path) -> Ran:
    """Run a command on a terminal of its own.

    Memory is sampled, ten times a second, over all processes of its session; what lies in a folder, too.

    Args:
        command: program and arguments.
        environment: of it.
        watched: the folder whose content is measured.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _HEIGHT, _WIDTH, 0, 0))
    began = time.monotonic()
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=dict(environment), start_new_session=True
    )
    os.close(theirs)
    screen = Screen()
    news = sampled = began
    longest, memory, scratch = (0.0, ""), 0, 0
    while (text := _read(ours)) is not None:
        now, before = time.monotonic(), screen.newest()
        if screen.show(text):
            longest, news = max(longest, (now - news, before)), now
        if now - sampled >= SAMPLE_SECONDS:
            memory, scratch, sampled = max(memory, _resident(process.pid)), max(scratch, _size(watched)), now
    code = process.wait()
    ended = time.monotonic()
    os.close(ours)
    silence, before = max(longest, (ended - news, screen.newest()))
    return Ran(code, ended - began, memory / 1e6, silence, before, scratch / 1e6, screen.last())


def _read(terminal: int) -> str | None:
    """Read what was written meanwhile, if anything was; None at the end."""
    if not select.select([terminal], [], [], SAMPLE_SECONDS)[0]:
        return ""
    try:
        return os.read(terminal, 1 << 16).decode("utf-8", "replace")
    except OSError:  # EIO: the last process that had it is gone (Linux, pty(7))
        return None


def _resident(session: int) -> int:
    """Add the resident memory of all processes of a session, in bytes."""
    total = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(fields[_SESSION]) == session:
                    total += int((folder / "statm").read_text().split()[_RESIDENT]) * _PAGE
            except (FileNotFoundError, ProcessLookupError):
                continue
    return total


def _size(folder: Path) -> int:
    total = 0
    for top, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(top, name)).st_size
            except FileNotFoundError:
                continue
    return total
