"""Something done again and again, while something else is measured."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread


@contextmanager
def beside(what: str, step: Callable[[], None], pause: float = 0.0) -> Iterator[None]:
    """Do a step in the background, over and over.

    Args:
        what: does it, for the error.
        step: what is done.
        pause: seconds before each.

    Raises:
        RuntimeError: a step failed, so that what was seen meanwhile proves nothing.
    """
    stop, done = Event(), Event()

    def go_on() -> None:
        while not stop.wait(pause):
            step()
        done.set()

    thread = Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if not done.is_set():
        raise RuntimeError(f"the {what} died")
