"""Inputs of growing size that are made for the worst case of a pattern or a function, and the measure of its growth."""

import gc
import re
import signal
import time
from collections.abc import Callable, Iterator
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from types import FrameType
from typing import Any

LARGE, SMALL = 40_000, 5_000  # characters
TIMES = LARGE // SMALL
ENOUGH = 0.03  # seconds of CPU in which no quadratic work on LARGE parts can be done
GROWTH = 27  # doubling the size three times may at most triple the time three times
PATIENCE = 10.0  # seconds of CPU after which it is clear
TRIES = 5

_REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)
_OF_CATEGORY = {
    op.CATEGORY_DIGIT: "1",
    op.CATEGORY_SPACE: " ",
    op.CATEGORY_WORD: "a1",
    op.CATEGORY_NOT_DIGIT: "a",
    op.CATEGORY_NOT_SPACE: "a",
    op.CATEGORY_NOT_WORD: " ",
}
_POOL = "a1 .-/<>\"'=:;,&\t~"


class TooLong(Exception):
    """The measured work took more than PATIENCE."""


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of some work, without the garbage collector's.

    The collector begins when many objects were made, so in the larger work alone, and takes as long as all objects of
    all tests before it want: with three million of them alive, linear work took forty times as long for eight times
    the input.

    Raises:
        TooLong: it took more than PATIENCE; also regular expressions are interrupted then.
    """

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise TooLong

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE)
    collecting = gc.isenabled()
    gc.disable()
    started = time.process_time()
    try:
        work()
        return time.process_time() - started
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        if collecting:
            gc.enable()


def grows_faster_than_its_input(work: Callable[[int], object]) -> str | None:
    """Tell what is wrong with work on an input of some size; None if three doublings at most triple its time thrice.

    Work that is done in no time is not measured closer. The least of several tries counts, and more are made while it
    seems to grow too fast: the machine may be busy, and with one of the sizes more than with the other. The small input
    is worked on so often that it takes as long as linear work does on the large one: a thousandth of a second may pass
    while a neighbour holds his breath, and thirty of them never do.
    """
    large = small = float("inf")
    for _ in range(TRIES):
        try:
            large = min(large, seconds(lambda: work(LARGE)))
            if large < ENOUGH:
                return None
            small = min(small, seconds(lambda: [work(SMALL) for _ in range(TIMES)]) / TIMES)
        except TooLong:
            return f"more than {PATIENCE} s"
        if large <= GROWTH * small:
            return None
    return f"{small:.6f} s, then {large:.6f} s"


def attacks(pattern: re.Pattern[Any]) -> Iterator[Callable[[int], str]]:
    """Yield inputs for a pattern: wherever something may be repeated, runs of each character of the pattern.

    Each is a start that leads there, one or two runs as long as one likes, and an end that spoils the match or not.
    """
    text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    parsed = parser.parse(text, pattern.flags & ~re.DEBUG)
    characters = sorted(set(_characters(parsed, repeated=False)))
    runs = characters + [one + other for one in characters for other in characters if one != other]
    starts = sorted({*_starts(parsed, ""), ""})
    runs += [start + one for start in starts if start for one in ("", *characters[:2])]  # a search begins anew at each
    for start in starts:
        for end in ("", "\x01"):
            for run in {*runs, _sample(parsed)} - {""}:
                yield lambda n, start=start, run=run, end=end: start + run * (n // len(run)) + end  # type: ignore[misc]
            for one, other in zip(characters, characters[1:] + characters[:1], strict=True):
                yield lambda n, start=start, one=one, other=other, end=end: (  # type: ignore[misc]
                    start + one * (n // 2) + other * (n // 2) + end
                )


def _starts(ops: Any, start: str) -> Iterator[str]:
    """Yield the shortest texts that lead to each place of a pattern where something may be repeated."""
    for code, argument in ops:
        if code in _REPEATS:
            low, high, body = argument
            if high == op.MAXREPEAT or int(high) > 3:
                yield start
            yield from _starts(body, start)
            start += _sample(body) * low
        elif code is op.SUBPATTERN:
            yield from _starts(argument[-1], start)
            start += _sample(argument[-1])
        elif code is op.BRANCH:
            for branch in argument[1]:
                yield from _starts(branch, start)
            start += _sample(argument[1][0])
        else:
            start += _sample([(code, argument)])


def _sample(ops: Any) -> str:
    """Return a short text that matches."""
    parts: list[str] = []
    for code, argument in ops:
        if code in _REPEATS:
            parts.append(_sample(argument[2]) * argument[0])
        elif code is op.SUBPATTERN:
            parts.append(_sample(argument[-1]))
        elif code is op.ATOMIC_GROUP:
            parts.append(_sample(argument))
        elif code is op.BRANCH:
            parts.append(_sample(argument[1][0]))
        elif code in (op.LITERAL, op.NOT_LITERAL, op.IN, op.ANY):
            parts.append(next(_of(code, argument)))
    return "".join(parts)


def _characters(ops: Any, repeated: bool) -> Iterator[str]:
    """Yield one or two characters of each class that may be repeated in a pattern."""
    for code, argument in ops:
        if code in _REPEATS:
            yield from _characters(argument[2], True)
        elif code in (op.SUBPATTERN, op.ASSERT, op.ASSERT_NOT):
            yield from _characters(argument[-1], repeated)
        elif code is op.ATOMIC_GROUP:
            yield from _characters(argument, repeated)
        elif code is op.BRANCH:
            for branch in argument[1]:
                yield from _characters(branch, repeated)
        elif repeated and code in (op.LITERAL, op.NOT_LITERAL, op.IN, op.ANY):
            yield from list(_of(code, argument))[:2]


def _of(code: Any, argument: Any) -> Iterator[str]:
    if code is op.LITERAL:
        yield chr(argument)
    elif code is op.NOT_LITERAL:
        yield from (char for char in _POOL if char != chr(argument))
    elif code is op.ANY:
        yield from _POOL
    elif argument[0][0] is op.NEGATE:
        excluded = {char for item in argument[1:] for char in _of(op.IN, [item])}
        yield from (char for char in _POOL if char not in excluded)
    else:
        for kind, value in argument:
            if kind is op.LITERAL:
                yield chr(value)
            elif kind is op.RANGE:
                yield chr(value[0])
            else:
                yield from _OF_CATEGORY[value]
