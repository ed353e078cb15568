"""Ctrl-C: the first one ends a command in order, and the process at once where no command is at work; so does a second.

In order: KeyboardInterrupt is raised, so whatever is half is cleared away. It may come out as another error: DuckDB
ends its query with a RuntimeError, Click its question with Abort, and a library may take it for a failure of its own.
So it is remembered that Ctrl-C came.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130  # as the shell tells of a program that SIGINT ended (128 + 2)
_STDERR = 2
_SHOW_CURSOR = b"\x1b[?25h"  # a progress bar hides it


class Interrupt:
    """Whether Ctrl-C came."""

    came = False


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Let the first Ctrl-C from here on raise KeyboardInterrupt; if it is ignored (`nohup`), it stays so."""
    interrupt = Interrupt()

    def end_in_order(number: int, frame: FrameType | None) -> None:
        interrupt.came = True
        end_at_once()
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    if before in (None, signal.SIG_IGN) or threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    signal.signal(signal.SIGINT, end_in_order)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)


def end_at_once() -> None:
    """From now on, let Ctrl-C end the process where it is; if it is ignored, it stays so."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda number, frame: leave())


def leave() -> None:
    """End this process now; what was printed is written already."""
    if os.isatty(_STDERR):
        os.write(_STDERR, _SHOW_CURSOR)
    os._exit(INTERRUPTED)
