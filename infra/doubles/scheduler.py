"""Processes that take turns by a clock of their own: real code in threads, of which one runs at a time.

A process runs until it waits, then the scheduler chooses who goes on. So real code that calls a store and sleeps runs
here as it is, thousands of seconds in a few real ones, and a run depends on nothing but who is chosen: the first to
come, or one that a seeded chance picks.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

Moment = TypeVar("Moment", float, datetime)


class SchedulerStopped(BaseException):
    """The run is over; the process that would go on ends where it stands."""


@dataclass(eq=False)
class Process(Generic[Moment]):
    """Something that runs when it has the baton.

    Attributes:
        run: what it does.
        wakes: when it goes on, at the earliest,
        when: and what must hold then.
        turn: the number of its wait among those of all processes: who waits longer has the lower one.
        lasting: whether the run may be over while it goes on.
    """

    run: Callable[[], object]
    wakes: Moment
    turn: int
    lasting: bool
    when: Callable[[], bool] = lambda: True
    ended: bool = False
    baton: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


Choose = Callable[[Sequence[Process[Moment]]], Process[Moment]]


def first_come(ready: Sequence[Process[Moment]]) -> Process[Moment]:
    """Choose whoever has waited longest."""
    return min(ready, key=lambda process: process.turn)


class Scheduler(Generic[Moment]):
    """The clock, and whose turn it is.

    The clock may count in seconds or be a date: moments are only compared here, and those who wait say until when.

    Args:
        now: when the run begins.
        choose: picks who goes on among those who may, given in the order in which they were started.

    Attributes:
        now: the clock. It moves only when nobody may go on, to the moment at which somebody may.
    """

    def __init__(self, now: Moment, choose: Choose[Moment] = first_come) -> None:
        self.now: Moment = now
        self._choose: Choose[Moment] = choose
        self._processes: list[Process[Moment]] = []
        self._running: Process[Moment] | None = None
        self._back = threading.Semaphore(0)
        self._turns = 0
        self._over = False
        self._failure: BaseException | None = None

    def start(self, run: Callable[[], object], *, lasting: bool = False) -> None:
        """Let a process begin, as soon as it is its turn.

        Args:
            run: what it does.
            lasting: it goes on for as long as others do; the run does not wait for its end.
        """
        process = Process(run, self.now, self._next_turn(), lasting)
        self._processes.append(process)
        threading.Thread(target=self._live, args=(process,), daemon=True).start()

    def wait(self, until: Moment, when: Callable[[], bool] = lambda: True) -> None:
        """Pass the baton; called by the process whose turn it is.

        Args:
            until: it goes on at this moment, or later; at once if that is past and nobody else is chosen,
            when: and once this holds.
        """
        process = self.running
        if self._over:
            raise SchedulerStopped
        process.wakes, process.when, process.turn = until, when, self._next_turn()
        self._back.release()
        process.baton.acquire()
        if self._over:
            raise SchedulerStopped

    @property
    def running(self) -> Process[Moment]:
        """The process whose turn it is."""
        assert self._running is not None
        return self._running

    def wake(self, process: Process[Moment], at: Moment) -> None:
        """Let a process that waits go on at another moment than it said."""
        process.wakes = at

    def run(self, until: Moment | None = None) -> None:
        """Give turns until all processes have ended but those that last, or up to a moment; then end those left.

        Raises:
            BaseException: what a process raised.
            RuntimeError: every process waits for what only others could bring about.
        """
        try:
            while self._failure is None and not all(process.lasting for process in self._processes):
                process = self._next(until)
                if process is None:
                    break
                self._give_turn(process)
        finally:
            self._over = True
            while self._processes:
                self._give_turn(self._processes[0])
        if self._failure is not None:
            raise self._failure

    def _next(self, until: Moment | None) -> Process[Moment] | None:
        """Choose who goes on, and move the clock if nobody may yet; None if that would be later than `until`."""
        able = [process for process in self._processes if process.when()]
        if not able:
            raise RuntimeError("every process waits for others")
        ready = [process for process in able if process.wakes <= self.now]
        if ready:
            return self._choose(ready)
        wakes = min(process.wakes for process in able)
        if until is not None and wakes > until:
            return None
        self.now = wakes
        return self._next(until)

    def _give_turn(self, process: Process[Moment]) -> None:
        self._running = process
        process.baton.release()
        self._back.acquire()
        if process.ended:
            self._processes.remove(process)

    def _live(self, process: Process[Moment]) -> None:
        process.baton.acquire()
        try:
            if not self._over:
                process.run()
        except SchedulerStopped:
            pass
        except BaseException as error:
            self._failure = self._failure or error
        finally:
            process.ended = True
            self._back.release()

    def _next_turn(self) -> int:
        self._turns += 1
        return self._turns
