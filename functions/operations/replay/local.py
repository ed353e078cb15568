"""Replay: rebuild the tree from the journal on this machine, over several processes, resumable.

The progress is in a scratch folder: the plan, and what each finished step left. A run that finds a plan there with the
same wishes goes on with it; a step that was interrupted is done again from its beginning.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ledger.columns import NAMES
from ledger.errors import SegmentGone
from ledger.ledger import Ledger
from ledger.manifest import Root, Targets
from operations.live.root import live_root
from operations.progress import OpenStore, Progress, silent
from operations.rebuild.plan import JournalSummary, Plan, Storage, load_plan, make_plan
from operations.rebuild.scratch import Scratch
from operations.rebuild.scratch_names import MAPPED
from operations.rebuild.steps import join_ranges, map_chunk, reduce_range
from operations.replay.adopt import Adoption, Purpose, adopt
from operations.replay.workers import Workers

# Shards that no root names are collected after a day, so a rebuild is not gone on with after half a day.
RESUMABLE_SECONDS = 12 * 3600.0
# Beside the statements lie the rows at the ends of ranges, and what a range is merged from twice.
_SCRATCH_FACTOR_PERCENT = 125


@dataclass(frozen=True, slots=True)
class Wishes:
    """What to rebuild.

    Attributes:
        columns, targets: of the new tree; None for those of the live one.
        until: time of the last events to heed (ISO 8601, UTC, whole seconds); empty for all.
        keep: where shards and pages go.
    """

    columns: tuple[str, ...] | None = None
    targets: Targets | None = None
    until: str = ""
    keep: Storage = "bucket"


@dataclass(frozen=True, slots=True)
class Rebuild:
    """A tree that was rebuilt.

    Attributes:
        root: the tree; its version is the live root's when the journal was listed.
        plan: how the work was cut.
        journal: what the journal held.
        resumed: steps that an earlier run had done.
    """

    root: Root
    plan: Plan
    journal: JournalSummary
    resumed: int


def replay(
    ledger: Ledger,
    scratch: Scratch,
    wishes: Wishes,
    *,
    open_store: OpenStore | None = None,
    processes: int = 1,
    progress: Progress = silent,
    report: Callable[[str], None] = lambda line: None,
) -> Rebuild:
    """Rebuild the tree from the journal, beside the live one.

    Args:
        ledger: whose journal.
        scratch: for what memory does not hold, and for going on after a crash. Not cleared at the end.
        wishes: what to rebuild.
        open_store: opens the export bucket in another process; needed for more than one process.
        processes: to work in, beside this one; 1 is this one alone.
        progress: is told the step, how much of it is done, and how much there is.
        report: is told, in a line, where and how much scratch it takes.

    Raises:
        DiskFull: the scratch does not fit.
        SegmentGone: a segment that was listed is gone; the same call starts over.
        Damaged: a segment is not readable.
        Unavailable: the store did not answer; the same call goes on where it stopped.
    """
    plan = _plan(ledger, scratch, wishes, progress)
    scratch.reserve(plan.scratch_bytes * _SCRATCH_FACTOR_PERCENT // 100, report)
    with Workers(ledger.store, scratch, plan, open_store, processes) as workers:
        resumed = len(scratch.names(MAPPED))
        journal = JournalSummary()
        try:
            chunks = [(number,) for number in range(plan.chunks)]
            for part in workers.all("reading events", map_chunk, chunks, progress):
                journal.add(part)
        except SegmentGone:
            scratch.clear()  # to go on with this list of segments would not help
            raise
        tasks = [(number, journal.newest_event) for number in range(plan.ranges)]
        for _ in workers.all("building shards", reduce_range, tasks, progress):
            pass
        root = join_ranges(ledger.store, scratch, plan, journal, progress)
    return Rebuild(root, plan, journal, resumed)


def replay_for(
    ledger: Ledger,
    scratch: Scratch,
    wishes: Wishes,
    purpose: Purpose,
    *,
    open_store: OpenStore | None = None,
    processes: int = 1,
    progress: Progress = silent,
    report: Callable[[str], None] = lambda line: None,
) -> tuple[Rebuild, Adoption]:
    """Rebuild the tree from the journal, do with it what it is for, and clear the scratch.

    Args:
        ledger: whose journal.
        scratch: as for `replay`.
        wishes: what to rebuild.
        purpose: what to do with it.
        open_store: as for `replay`.
        processes: as for `replay`.
        progress: as for `replay`.
        report: is told, in a line, what goes on.

    Raises:
        LedgerError: as `replay` and `adopt` do; the same call goes on where it stopped.
    """
    rebuild = replay(
        ledger, scratch, wishes, open_store=open_store, processes=processes, progress=progress, report=report
    )
    return rebuild, adopt(ledger, scratch, rebuild.plan, rebuild.root, purpose, report, progress)


def _plan(ledger: Ledger, scratch: Scratch, wishes: Wishes, progress: Progress) -> Plan:
    """Take the plan that is there, if it is for the same wishes, or make one."""
    live, _ = live_root(ledger)  # before the listing: whatever this version holds is then listed
    columns = wishes.columns or (live.columns if live else NAMES)
    targets = wishes.targets or (live.targets if live else ledger.targets)
    plan = load_plan(scratch)
    wanted = (columns, targets, wishes.until, wishes.keep)
    fresh = plan is not None and ledger.now() - plan.made_at < RESUMABLE_SECONDS
    if plan is not None and fresh and (plan.columns, plan.targets, plan.until, plan.keep) == wanted:
        return plan
    scratch.clear()
    progress("listing the journal", 0, 1)
    plan = make_plan(
        ledger.store,
        scratch,
        columns=columns,
        targets=targets,
        until=wishes.until,
        version=live.version if live else -1,
        keep=wishes.keep,
        now=ledger.now(),
    )
    progress("listing the journal", 1, 1)
    return plan
