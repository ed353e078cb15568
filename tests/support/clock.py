"""A clock that tests move: the time of bucket and functions."""

from datetime import datetime, timedelta

from tests.support.factories import START


class Clock:
    """Says what time it is, which it is until somebody lets time pass."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def later(self, **period: float) -> None:
        """Let time pass."""
        self.now += timedelta(**period)
