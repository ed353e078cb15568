"""What is done with a rebuilt tree in the end: it is pinned, or made the live one, and its scratch is cleared.

Whoever rebuilt it, one machine or many, ends here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ledger.ledger import Ledger
from ledger.manifest import Root
from operations.live.keep_alive import make_sure
from operations.live.root import live_root
from operations.live.snapshot import keep_present, pin
from operations.live.swap import PATIENCE_SECONDS, SwapReport, swap
from operations.progress import Progress, silent
from operations.rebuild.plan import Plan, listed_segments
from operations.rebuild.scratch import Scratch


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a tree is rebuilt for; by default only to be compared.

    Attributes:
        snapshot: name to pin it under; empty if it is not to be pinned.
        swap: make it the live tree.
        keep_replaced: pin the root that it replaces, so that this can be undone.
        patience: seconds until the swap gives up losing against exporters.
    """

    snapshot: str = ""
    swap: bool = False
    keep_replaced: bool = False
    patience: float = PATIENCE_SECONDS


@dataclass(frozen=True, slots=True)
class Adoption:
    """What was done with a rebuilt tree.

    Attributes:
        swapped: what the swap did; None if the tree was not to be swapped in.
        undo: snapshot of the root that was live before; empty if there is none.
    """

    swapped: SwapReport | None = None
    undo: str = ""


def adopt(
    ledger: Ledger,
    scratch: Scratch,
    plan: Plan,
    root: Root,
    purpose: Purpose,
    report: Callable[[str], None],
    progress: Progress = silent,
) -> Adoption:
    """Pin a rebuilt tree, swap it in, or neither, and clear its scratch.

    Args:
        ledger: whose tree it becomes.
        scratch: of the rebuild.
        plan: of the rebuild.
        root: the rebuilt tree.
        purpose: what is to be done.
        report: is told, in a line, what goes on.
        progress: is told how far it is.

    Raises:
        BadName: the snapshot cannot have this name.
        NotSwapped, Damaged, Unavailable, Unknown: as for `swap`; the scratch stays, so that it can be gone on with.
    """
    if purpose.snapshot:
        make_sure(ledger, root, live_root(ledger)[0], set(), progress)  # a rebuild may have taken a day
        pin(ledger, purpose.snapshot, root)
    undo = keep_present(ledger) if purpose.swap and purpose.keep_replaced else ""
    swapped = None
    if purpose.swap:
        listed = partial(listed_segments, scratch, plan)
        swapped = swap(
            ledger,
            root,
            listed,
            until=plan.until,
            undo=undo,
            patience=purpose.patience,
            report=report,
            progress=progress,
        )
    scratch.clear()
    return Adoption(swapped, undo)
