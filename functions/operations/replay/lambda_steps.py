"""The functions of the replay state machine (`infra/replay.asl.yaml`): a rebuild on as many machines as it has chunks.

    Plan     list the journal into chunks, choose key ranges               one call
    Map      for each chunk: events to sorted runs, by range               a Distributed Map over the chunks' objects
    Gather   add up the summaries of the chunks                            one call
    Reduce   for each range: runs to shards                                a Distributed Map over the ranges
    Finish   join the ranges to a tree; compare, pin, or swap it in        one call

What passes between them lies under `replay/<execution>/` in the export bucket. Every step can be repeated, and a child
that runs twice, or beside its own retry, writes the same again. The children's function may not write `manifest.json`
(its role cannot): only Finish swaps, and only if it was asked to.
"""

import os
from typing import Any

import orjson
from aws_lambda_powertools import Logger

from ledger.columns import NAMES
from ledger.keys import REPLAYS
from ledger.ledger import Ledger
from ledger.manifest import Targets
from ledger.s3_store import S3Store
from operations.live.root import live_root
from operations.rebuild.plan import JournalSummary, Plan, load_plan, make_plan
from operations.rebuild.scratch import StoreScratch
from operations.rebuild.scratch_names import CHUNKS, RANGE_LIST
from operations.rebuild.steps import join_ranges, load_summary, map_chunk, reduce_range
from operations.replay.adopt import Purpose, adopt
from operations.replay.past import check_found

logger = Logger()


def _ledger() -> Ledger:
    return Ledger(S3Store(os.environ["EXPORT_BUCKET"]))


@logger.inject_lambda_context
def work(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Do a step of many: Plan, Map, Gather or Reduce.

    Raises:
        LedgerError: the step can be tried again.
    """
    return do(_ledger(), event)


@logger.inject_lambda_context
def finish(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Do the last step.

    Raises:
        LedgerError: the step can be tried again.
    """
    return end(_ledger(), event)


def do(ledger: Ledger, event: dict[str, Any]) -> dict[str, Any]:
    """Do what `work` does, on any ledger."""
    if event["step"] == "plan":
        return _plan(ledger, event["run"], event.get("wishes") or {})
    if event["step"] == "gather":
        scratch = StoreScratch(ledger.store, event["prefix"])
        plan, journal = _mapped(scratch)
        scratch.write(RANGE_LIST, orjson.dumps(list(range(plan.ranges))))
        return {"newest_event": journal.newest_event, "events": journal.events, "ranges": plan.ranges}
    # A batch has Items; where ItemBatcher is not honoured, the one item stands in its place.
    items = event["batch"].get("Items", [event["batch"]])
    return {"done": [_child(ledger, event["step"], item) for item in items]}


def _child(ledger: Ledger, step: str, item: dict[str, Any]) -> int:
    scratch = StoreScratch(ledger.store, item["prefix"])
    plan = load_plan(scratch)
    assert plan is not None, "the plan is written before any child runs"
    if step == "map":
        return map_chunk(ledger.store, scratch, plan, int(item["key"].rpartition("/")[2])).events
    return reduce_range(ledger.store, scratch, plan, int(item["range"]), item["newest_event"])


def _plan(ledger: Ledger, run: str, wishes: dict[str, Any]) -> dict[str, Any]:
    """Make the plan of an execution anew, also if it is tried again."""
    prefix = f"{REPLAYS}{run}/"
    scratch = StoreScratch(ledger.store, prefix)
    scratch.clear()
    live, _ = live_root(ledger)
    targets = live.targets if live else ledger.targets
    plan = make_plan(
        ledger.store,
        scratch,
        columns=NAMES if wishes.get("columns") == "current" or live is None else live.columns,
        targets=Targets(
            int(wishes.get("shard_bytes") or targets.shard_bytes), int(wishes.get("page_shards") or targets.page_shards)
        ),
        until=str(wishes.get("until") or ""),
        version=live.version if live else -1,
        keep="bucket" if wishes.get("swap") or wishes.get("snapshot") else "nothing",
        now=ledger.now(),
    )
    return {"prefix": prefix, "chunk_prefix": f"{prefix}{CHUNKS}/", "chunks": plan.chunks, "segments": plan.segments}


def _mapped(scratch: StoreScratch) -> tuple[Plan, JournalSummary]:
    """Read the plan, and what the journal held; all chunks are mapped by now."""
    plan = load_plan(scratch)
    assert plan is not None, "the plan is written before anything else"
    journal = JournalSummary()
    for number in range(plan.chunks):
        summary = load_summary(scratch, number)
        assert summary is not None, "every chunk is mapped"
        journal.add(summary)
    return plan, journal


def end(ledger: Ledger, event: dict[str, Any]) -> dict[str, Any]:
    """Do what `finish` does, on any ledger."""
    wishes = event.get("wishes") or {}
    scratch = StoreScratch(ledger.store, event["prefix"])
    plan, journal = _mapped(scratch)
    check_found(plan.until, journal)
    root = join_ranges(ledger.store, scratch, plan, journal)
    live, _ = live_root(ledger)
    result: dict[str, Any] = {
        "tree": root.tree_hash,
        "rows": root.rows.rows,
        "bytes": root.rows.bytes,
        "segments": plan.segments,
        "events": journal.events,
        "quarantined": journal.quarantined,
        "live_tree": live.tree_hash if live else None,
        "same": live is not None and live.tree_hash == root.tree_hash,
    }
    purpose = Purpose(
        snapshot=wishes.get("snapshot") or "", swap=bool(wishes.get("swap")), keep_replaced=bool(plan.until)
    )
    adoption = adopt(ledger, scratch, plan, root, purpose, logger.info)
    if purpose.snapshot:
        result["snapshot"] = purpose.snapshot
    if swapped := adoption.swapped:
        result |= {"undo": adoption.undo} if purpose.keep_replaced else {}
        result |= {
            "version": swapped.root.version,
            "tree": swapped.root.tree_hash,
            "caught_up": swapped.caught_up,
        }
    return result
