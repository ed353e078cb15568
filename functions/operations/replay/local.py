"""Replay: rebuild the tree from the journal on this machine, over several processes, resumable.

The progress is in a scratch folder: the plan, and what each finished step left. A run that finds a plan there with the
same wishes goes on with it; a step that was interrupted is done again from its beginning.
"""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ledger.columns import NAMES
from ledger.errors import Damaged
from ledger.ledger import Ledger
from ledger.manifest import Root, Targets
from ledger.store import Store
from operations.live.swap import live_root
from operations.progress import OpenStore, Progress, silent
from operations.rebuild.plan import Keep, Plan, Told, load_plan, make_plan
from operations.rebuild.scratch import Scratch
from operations.rebuild.steps import assemble, map_chunk, reduce_range

T = TypeVar("T")

# Shards that no root names are collected after a day, so a rebuild is not gone on with after half a day.
RESUMABLE_SECONDS = 12 * 3600.0


@dataclass(frozen=True, slots=True)
class Wishes:
    """What to rebuild.

    Attributes:
        columns, targets: of the new tree; None for those of the live one.
        until: time of the last events to heed (ISO 8601, UTC, whole seconds); empty for all.
        keep: where shards and pages go (see `Plan`).
    """

    columns: tuple[str, ...] | None = None
    targets: Targets | None = None
    until: str = ""
    keep: Keep = "bucket"


@dataclass(slots=True)
class Replayed:
    """What a replay gave.

    Attributes:
        root: the rebuilt tree; its version is the live root's when the journal was listed.
        plan: how it was cut.
        told: what the journal told.
        resumed: steps that an earlier run had done.
    """

    root: Root
    plan: Plan
    told: Told = field(default_factory=Told)
    resumed: int = 0


def replay(
    ledger: Ledger,
    scratch: Scratch,
    wishes: Wishes,
    *,
    open_store: OpenStore | None = None,
    processes: int = 1,
    progress: Progress = silent,
) -> Replayed:
    """Rebuild the tree from the journal, beside the live one.

    Args:
        ledger: whose journal.
        scratch: for what memory does not hold, and for going on after a crash. Not cleared at the end.
        wishes: what to rebuild.
        open_store: opens the export bucket in another process; needed for more than one process.
        processes: to work in, beside this one; 1 is this one alone.
        progress: is told the step, how much of it is done, and how much there is.

    Raises:
        Damaged: a segment is not readable.
        Unavailable: the store did not answer; the same call goes on where it stopped.
    """
    plan = _plan(ledger, scratch, wishes, progress)
    with _Workers(ledger.store, scratch, plan, open_store, processes) as workers:
        resumed = len(scratch.names("mapped"))
        told = Told()
        for part in workers.all("reading events", map_chunk, [(number,) for number in range(plan.chunks)], progress):
            told.add(part)
        tasks = [(number, told.newest_event) for number in range(plan.ranges)]
        for _ in workers.all("building shards", reduce_range, tasks, progress):
            pass
    return Replayed(assemble(ledger.store, scratch, plan, told), plan, told, resumed)


def listed_segments(scratch: Scratch, plan: Plan) -> Iterator[str]:
    """Give the keys of the segments that a rebuild read, in key order."""
    for number in range(plan.chunks):
        chunk = scratch.read(f"chunks/{number:06d}")
        if chunk is None:
            raise Damaged("the scratch of the replay is incomplete: start over")
        yield from chunk.decode().split("\n")


def _plan(ledger: Ledger, scratch: Scratch, wishes: Wishes, progress: Progress) -> Plan:
    """Take the plan that is there, if it is for the same wishes, or make one."""
    live, _ = live_root(ledger)  # before the listing: whatever this version holds is then listed
    columns = wishes.columns or (live.columns if live else NAMES)
    targets = wishes.targets or (live.targets if live else ledger.targets)
    plan = load_plan(scratch)
    wanted = (columns, targets, wishes.until, wishes.keep)
    fresh = plan is not None and ledger.now() - plan.made_at < RESUMABLE_SECONDS
    if plan is not None and fresh and (plan.columns, plan.targets, plan.until, plan.keep) == wanted:
        return plan
    scratch.clear()
    progress("listing the journal", 0, 1)
    plan = make_plan(
        ledger.store,
        scratch,
        columns=columns,
        targets=targets,
        until=wishes.until,
        version=live.version if live else -1,
        keep=wishes.keep,
        now=ledger.now(),
    )
    progress("listing the journal", 1, 1)
    return plan


class _Workers:
    """Runs steps here or in other processes."""

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

    def __enter__(self) -> "_Workers":
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def all(
        self, step: str, function: Callable[..., T], tasks: Sequence[tuple[Any, ...]], progress: Progress
    ) -> Iterator[T]:
        """Run a step for all its tasks and give their results as they come."""
        progress(step, 0, len(tasks))
        if self._pool is None:
            results: Iterator[T] = (function(*self._here, *task) for task in tasks)
        else:
            futures: list[Future[T]] = [self._pool.submit(_work, function, task) for task in tasks]
            results = (future.result() for future in as_completed(futures))
        for done, result in enumerate(results, 1):
            progress(step, done, len(tasks))
            yield result


_worker: tuple[Store, Scratch, Plan] | None = None


def _start_worker(open_store: OpenStore, scratch: Scratch, plan: Plan) -> None:
    global _worker
    _worker = (open_store(), scratch, plan)


def _work(function: Callable[..., T], task: tuple[Any, ...]) -> T:
    assert _worker is not None
    return function(*_worker, *task)
