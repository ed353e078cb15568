"""A run out of one seed: its chances, its clock, and the faults that calls meet by chance."""

import random
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import zip_longest

from infra.doubles.fault_store import ANSWERS, Fault, Faults
from infra.doubles.scheduler import Scheduler
from ledger.errors import LedgerError
from tests.faults.settings import Settings
from tests.support.factories import START

_NAMED_KEYS = re.compile(r"(?:shards|manifest|roots|journal|pending)/[-\w./=]*\w")
_LAST_STEPS = 40
_STEPS_BEFORE = 5  # those that both runs have, before they part


class Trace:
    """What happened, step by step: equal for equal runs.

    Attributes:
        steps: with their times.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.steps: list[str] = []
        self._now = now

    def note(self, what: str) -> None:
        """Add a step."""
        self.steps.append(f"{self._now().isoformat()} {what}")


def told(error: BaseException, failed: Sequence[str], again: Sequence[str]) -> str:
    """Tell what is needed to understand a run that failed: what befell the objects of its error, and the way there.

    Args:
        error: how it ended.
        failed: its steps.
        again: the steps of a second run of the same seed. If they are others, something that is not the seed's has a
            say in the run: the step where they part is the one to look at.
    """
    keys = dict.fromkeys(_NAMED_KEYS.findall(f"{error!r} {error.__context__!r}"))
    lines = [f"{len(failed)} steps, of which the last:", *failed[-_LAST_STEPS:]]
    for key in keys:
        lines += [f"what befell {key}:", *(step for step in failed if key in step)]
    if [*failed] == [*again]:
        return "\n".join([*lines, "a second run was the same, step by step"])
    parted = next(number for number, steps in enumerate(zip_longest(failed, again)) if len({*steps}) == 2)
    lines.append(f"a second run was another from step {parted + 1} of {len(again)} on: not only the seed has a say")
    for run in (failed, again):
        lines += ["...", *run[max(0, parted - _STEPS_BEFORE) : parted + 1]]
    return "\n".join(lines)


class SeededRun:
    """Chances and time of one run.

    Args:
        seed: of all chances: the settings, who goes on, how long requests take, which faults they meet.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        self.settings = Settings.drawn(self.chance)
        self.scheduler = Scheduler(START, self.chance.choice)
        self.trace = Trace(self.now)

    def now(self) -> datetime:
        """Give the time."""
        return self.scheduler.now

    def seconds(self) -> float:
        """Give the time in seconds since the epoch."""
        return self.now().timestamp()

    def wait(self, seconds: float, when: Callable[[], bool] = lambda: True) -> None:
        """Let others go on for so many seconds, and until this holds."""
        self.scheduler.wait(self.now() + timedelta(seconds=seconds), when)

    def latency(self) -> float:
        """Draw how long a request takes: mostly milliseconds, now and then minutes."""
        if self.chance.random() < self.settings.stall_rate:
            return self.chance.expovariate(1 / 100)
        return self.chance.choice([0.0, 0.01, 0.03, 0.2])


class ChanceFaults(Faults):
    """Faults by chance; before each call the baton is passed, so that others come between any two calls."""

    def __init__(self, run: SeededRun) -> None:
        super().__init__()
        self._run = run
        self.deadlines: dict[str, float] = {}

    def meet(self, process: str, verb: str, key: str) -> Fault | None:
        """Wait as long as the request takes, and say what happens to it."""
        run, chance = self._run, self._run.chance
        run.wait(run.latency())
        fault = self._choose(verb, key)
        if run.seconds() > self.deadlines.get(process, float("inf")):
            fault = chance.choice([Fault.DIE_BEFORE, Fault.DIE_AFTER])
        run.trace.note(f"{process} {verb} {key} {fault or ''}")
        return fault

    def postpone(self, do: Callable[[], object]) -> None:
        """Let a request land up to a minute later."""
        run, seconds = self._run, self._run.chance.uniform(0, 60)

        def land() -> None:
            run.wait(seconds)
            run.trace.note("a late request lands")
            try:
                do()
            except LedgerError:
                return

        run.scheduler.start(land)

    def order(self, count: int) -> tuple[Sequence[int], bool]:
        """Do side by side what is done side by side: in any order."""
        chance = self._run.chance
        return chance.sample(range(count), count), chance.random() < 0.5

    def _choose(self, verb: str, key: str) -> Fault | None:
        chance, settings = self._run.chance, self._run.settings
        if chance.random() >= settings.fault_rate:
            return None
        known = [fault for fault in ANSWERS[verb] if fault in settings.faults]
        if verb == "put_new":
            # "Exists" of what does not: only a collection makes that true a moment later, of what is collected.
            known = [fault for fault in known if fault is not Fault.PRECONDITION]
        return chance.choice(known)
