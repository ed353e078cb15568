"""Keep a copy current for as long as somebody wants it: through outages, and while the machine sleeps."""

from collections.abc import Callable
from typing import NoReturn

from ledger.errors import Damaged, Denied, RootDamaged, Unavailable
from ledger.ledger import Ledger
from ledger.manifest import Root
from operations.live.backoff import back_off

# The longest wait between two looks in an outage: it is over for at most so long before it is noticed.
_LONGEST_SECONDS = 30.0


def follow(
    ledger: Ledger,
    seconds: float,
    copy: Callable[[Root], None],
    tell: Callable[[Exception | None], None] = lambda error: None,
) -> NoReturn:
    """Copy the live tree whenever it is another one, looking every so many seconds, for ever.

    Args:
        ledger: whose tree.
        seconds: between two looks.
        copy: copies it.
        tell: is told once when the store does not answer, by what error, and None when it does again.

    Raises:
        Denied: the store will not serve us, which waiting does not change.
        LedgerError: as `copy` and `load_root` do, but for what passes.
    """
    shown = damaged = ""
    failures = 0
    while True:
        try:
            root, _ = ledger.load_root()
            if failures:
                failures = 0
                tell(None)
            if root.tree_hash != shown:
                copy(root)
                shown = root.tree_hash
        except (Denied, RootDamaged):
            raise
        except Unavailable as error:
            if not failures:
                tell(error)
            failures += 1
            back_off(ledger, failures, longest=_LONGEST_SECONDS)
            continue
        except Damaged:
            if damaged == root.tree_hash:
                raise
            damaged = root.tree_hash  # whoever slept for a day in a copy finds its shards collected: look again
            continue
        ledger.sleep(seconds)
