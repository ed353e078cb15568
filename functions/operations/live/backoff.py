"""Waiting between two tries to replace the root, so that rivals do not meet again and again."""

from ledger.ledger import Ledger

_FIRST_SECONDS = 0.05
_LONGEST_SECONDS = 2.0
_DOUBLINGS = 6  # by then it has reached the longest


def back_off(ledger: Ledger, tries: int) -> None:
    """Wait a random part of a time that doubles with every try (AWS, "Exponential Backoff And Jitter").

    Args:
        ledger: whose clock and chance.
        tries: that were lost so far.
    """
    ledger.sleep(min(_LONGEST_SECONDS, _FIRST_SECONDS * 2 ** min(tries, _DOUBLINGS)) * ledger.chance())
