"""Actors take turns under one baton: real code in threads, of which one runs at a time, chosen by a seeded chance.

The clock is the stage's. It moves only when somebody waits, so a run depends on nothing but its seed.
"""

import hashlib
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

Body = Callable[[], None]


class CurtainFell(BaseException):
    """The play is over; this actor, who would go on for ever, leaves."""


@dataclass
class _Actor:
    name: str
    body: Body
    lasting: bool
    wakes: datetime
    ended: bool = False
    until: Callable[[], bool] = lambda: True
    turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


class Stage:
    """Runs actors in turns.

    Attributes:
        now: the clock.
    """

    def __init__(self, chance: random.Random, now: datetime) -> None:
        self.now = now
        self._chance = chance
        self._actors: list[_Actor] = []
        self._current: _Actor | None = None
        self._back = threading.Semaphore(0)
        self._error: BaseException | None = None
        self._fallen = False
        self._trace = hashlib.sha256()
        self.steps = 0

    def enter(self, name: str, body: Body, *, lasting: bool = False) -> None:
        """Let an actor on; the play is over when all that do not last have ended."""
        actor = _Actor(name, body, lasting, self.now)
        self._actors.append(actor)
        threading.Thread(target=self._play, args=(actor,), daemon=True, name=name).start()

    def wait(self, seconds: float = 0.0, until: Callable[[], bool] = lambda: True) -> None:
        """Pass the baton; called by the actor whose turn it is.

        Args:
            seconds: it goes on when so much time has passed, or later;
            until: and when this holds.
        """
        actor = self._current
        assert actor is not None
        actor.wakes, actor.until = self.now + timedelta(seconds=seconds), until
        self._back.release()
        actor.turn.acquire()
        if self._fallen:
            raise CurtainFell

    def play(self) -> None:
        """Give turns until the play is over; what an actor raised is raised here."""
        while any(not actor.ended and not actor.lasting for actor in self._actors):
            self._actors = [actor for actor in self._actors if not actor.ended]
            there = [actor for actor in self._actors if actor.until()]
            ready = [actor for actor in there if actor.wakes <= self.now]
            if not ready:
                self.now = min(actor.wakes for actor in there)
                continue
            self._give_turn(self._chance.choice(ready))
            if self._error is not None:
                break
        self._fallen = True
        for actor in self._actors:
            if not actor.ended:
                self._give_turn(actor)
        if self._error is not None:
            raise self._error

    def note(self, what: str) -> None:
        """Add a line to the trace."""
        self.steps += 1
        self._trace.update(f"{self.now.isoformat()} {what}\n".encode())

    @property
    def trace(self) -> str:
        """Name the run so far: equal for equal runs."""
        return self._trace.hexdigest()

    def _give_turn(self, actor: _Actor) -> None:
        self._current = actor
        actor.turn.release()
        self._back.acquire()

    def _play(self, actor: _Actor) -> None:
        actor.turn.acquire()
        try:
            if not self._fallen:
                actor.body()
        except CurtainFell:
            pass
        except BaseException as error:
            self._error = self._error or error
        finally:
            actor.ended = True
            self._back.release()
