"""What a day of publishing costs, and how old the file is if it may cost so much, computed (`ledger.pace`)."""

from collections.abc import Iterator

from ledger.pace import cost_of, interval
from ledger.prices import LAMBDA_GB_SECOND

ROW_BYTES = 3300
ROWS = (10**5, 10**6, 10**7, 10**8)
DOLLARS = (1, 5, 25)  # a day
EXPORTER_GB = 0.5  # the function's default
COMMIT_SECONDS = 2.0  # until the root holds an event: a second to gather, one to commit
_DAY = 86_400


def full_pace_usd(size: int) -> float:
    """Price a day in which one publish begins when the last one ends."""
    cost = cost_of(size)
    return _DAY / cost.seconds * (cost.requests + cost.seconds * EXPORTER_GB * LAMBDA_GB_SECOND)


def oldest(size: int, dollars: float) -> float:
    """Say how old the file gets, in seconds: an event just misses a publish, and is shown by the next."""
    seconds = cost_of(size).seconds
    return COMMIT_SECONDS + max(seconds, interval(size, dollars, int(EXPORTER_GB * (1 << 30)))) + seconds


def page() -> Iterator[str]:
    """Write the table of a run-book, line by line."""
    yield (
        "| rows | one copy | a day at full pace | age then | "
        + " | ".join(f"at ${each} a day" for each in DOLLARS)
        + " |"
    )
    yield "|---" * (4 + len(DOLLARS)) + "|"
    for rows in ROWS:
        size = rows * ROW_BYTES
        ages = [f"{oldest(size, each):,.0f} s" for each in (0, *DOLLARS)]
        cells = [f"{rows:,}", f"{cost_of(size).seconds:,.1f} s", f"${full_pace_usd(size):,.2f}", *ages]
        yield f"| {' | '.join(cells)} |"
