"""Pytest plugin: say at the end, by reason, which tests did not run, and what they want."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

KNOWN = "known of "
"""How the reason begins where nothing is wanting: it is known that an emulator cannot do what the test asks."""


def summary(reasons: Iterable[str]) -> Iterator[str]:
    """Give the lines: a count for each reason, most first, and one line for all that is known of emulators."""
    counts = Counter(reason.removeprefix("Skipped: ") for reason in reasons)
    known = sum(count for reason, count in counts.items() if reason.startswith(KNOWN))
    wanting = [(reason, count) for reason, count in counts.most_common() if not reason.startswith(KNOWN)]
    if wanting:
        yield "Not run, for want of something:"
        yield from (f"{count:6}  {reason}" for reason, count in wanting)
    if known:
        yield f"{known:6}  tests of what an emulator is known not to do (tests/support/store_kinds.py)"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Write the lines."""
    skipped = [report.longrepr[2] for report in terminalreporter.stats.get("skipped", ())]
    expected = [report.wasxfail for report in terminalreporter.stats.get("xfailed", ())]
    for line in summary([*skipped, *expected]):
        terminalreporter.write_line(line, yellow=True)
