"""Waiting between two tries: to replace the root, so that rivals do not meet again and again, or to reach the store."""

from ledger.ledger import Ledger

_FIRST_SECONDS = 0.05
_LONGEST_SECONDS = 2.0
_DOUBLINGS = 20  # a power that no number is too large for


def back_off(ledger: Ledger, tries: int, longest: float = _LONGEST_SECONDS) -> None:
    """Wait a random part of a time that doubles with every try (AWS, "Exponential Backoff And Jitter").

    Args:
        ledger: whose clock and chance.
        tries: that were lost so far.
        longest: seconds beyond which the time does not grow.
    """
    ledger.sleep(min(longest, _FIRST_SECONDS * 2 ** min(tries, _DOUBLINGS)) * ledger.chance())
