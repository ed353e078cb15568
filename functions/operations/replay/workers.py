"""Do the steps of a replay here, or over several processes of this machine.

A terminal's Ctrl-C goes to all processes that belong to the command. It is for this one to hear it, and to end the
others: they are started with it blocked, which a process inherits (POSIX, `posix_spawn`, `sigprocmask`), so that none
of them tells it with a traceback, not even one that has only begun.
"""

import multiprocessing
import pickle
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any, TypeVar

from ledger.errors import LedgerError
from ledger.store import Store
from operations.progress import OpenStore, Progress
from operations.rebuild.plan import Plan
from operations.rebuild.scratch import Scratch

T = TypeVar("T")


class Workers:
    """Runs steps here or in other processes.

    Args:
        store: the export bucket, for this process.
        scratch: of the replay.
        plan: of the replay.
        open_store: opens the bucket in another process; needed for more than one process.
        processes: how many; 1 is this one alone.
    """

    def __init__(
        self, store: Store, scratch: Scratch, plan: Plan, open_store: OpenStore | None, processes: int
    ) -> None:
        self._here = (store, scratch, plan)
        self._pool: ProcessPoolExecutor | None = None
        if processes > 1:
            if open_store is None:
                raise ValueError("more than one process needs to know how to open the store")
            # A forked child would share the parent's connections.
            self._pool = ProcessPoolExecutor(
                processes, multiprocessing.get_context("spawn"), _start_worker, (open_store, scratch, plan)
            )

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if self._pool is None:
            return
        if kind is not None:  # what they are at would be done again anyhow
            for process in multiprocessing.active_children():
                process.terminate()
        self._pool.shutdown(cancel_futures=True)

    def all(
        self, step: str, function: Callable[..., T], tasks: Sequence[tuple[Any, ...]], progress: Progress
    ) -> Iterator[T]:
        """Run a step for all its tasks and give their results as they come."""
        progress(step, 0, len(tasks))
        if self._pool is None:
            results: Iterator[T] = (function(*self._here, *task) for task in tasks)
        else:
            with _without_interrupts():
                futures: list[Future[T]] = [self._pool.submit(_work, function, task) for task in tasks]
            results = (future.result() for future in as_completed(futures))
        for done, result in enumerate(results, 1):
            progress(step, done, len(tasks))
            yield result


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Start processes that do not hear Ctrl-C; this one hears it afterwards, when none is half begun."""
    heard: list[int] = []
    is_main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number)) if is_main else None
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if handler is not None:
            signal.signal(signal.SIGINT, handler)
        if heard:
            signal.raise_signal(signal.SIGINT)


# What a process of the pool works on: given once when it starts, not with every task.
_worker: tuple[Store, Scratch, Plan] | None = None


def _start_worker(open_store: OpenStore, scratch: Scratch, plan: Plan) -> None:
    global _worker
    _worker = (open_store(), scratch, plan)


def _work(function: Callable[..., T], task: tuple[Any, ...]) -> T:
    assert _worker is not None, "the pool starts its processes with it"
    try:
        return function(*_worker, *task)
    except LedgerError as error:
        error.cause = _sendable(error.__cause__)
        raise


def _sendable(cause: BaseException | None) -> BaseException | None:
    """Give a cause if another process can have it: the pool puts this process's traceback in its place."""
    try:
        pickle.loads(pickle.dumps(cause))
    except Exception:  # some hold connections
        return None
    return cause
