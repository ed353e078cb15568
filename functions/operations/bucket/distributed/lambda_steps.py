"""The function of the state machine `infra/bucket.asl.yaml`: the images buckets against the ledger, on many machines.

    Start    note what was asked for; start an export of `Objects`              one call
    Look     is the export finished? Until then a Wait state asks again          a call a look
    Cut      cut names and ETags by a sample of the export                       one call
    Sort     pieces of what is known: to sorted runs, by range                   a Distributed Map over the pieces
    Compare  for each range: list it, walk both sides, note what differs         a Distributed Map over the ranges
    Gather   add up; what was too large for one machine is compared in pieces    one call a round
    Settle   after a while: look at each difference once more; tell, or send     a Distributed Map over the differences
    Finish   add up, write the result, clear the rest                            one call

What passes between them lies under `bucket-check/<execution>/` in the export bucket; states hand over numbers only.
Every step can be repeated, also beside itself: what it decides is written once (`Job.once`), and a child's runs have
names of their own for each attempt, unless they are made of what never changes. Messages may be sent twice; they are
hints. The function's role cannot write tables, images or the CSV: ImageProcessor alone repairs.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from ledger.ledger import Ledger
from ledger.s3_store import S3Store
from operations.bucket.distributed.job import Aws, Job, note_wishes, open_job, prefix_of
from operations.bucket.distributed.outcome import finish, settle
from operations.bucket.distributed.pieces import cut, is_exported, sort, start
from operations.bucket.distributed.rounds import compare_range, first_round, gather
from operations.bucket.distributed.step_names import numbers_name
from operations.bucket.lane import CONFIG
from operations.bucket.pages import listing_client
from operations.bucket.sources import Sources

METRICS: dict[str, tuple[MetricUnit, str]] = {
    "BucketChecked": (MetricUnit.Count, "objects of the buckets that a whole check compared"),
    "BucketDifferences": (MetricUnit.Count, "objects and rows of which it found that they differ; 0 too"),
}
"""Every metric of this function, with its unit and meaning. An ingest, or a check of a part, sends none: it does not
say whether all is well."""

WAIT_SECONDS = 300
"""Time that events have to arrive before what differs is looked at once more."""

logger = Logger()
metrics = Metrics()


@cache
def _services() -> tuple[Ledger, Aws, Sources]:
    """Open what this warm function works with."""
    exports = os.environ["EXPORT_BUCKET"]
    aws = Aws(
        s3=listing_client({}),
        dynamodb=boto3.client("dynamodb"),
        open_bucket=S3Store,
        sqs=boto3.client("sqs", config=CONFIG),
        images=os.environ["IMAGES_TABLE"],
        objects=os.environ["OBJECTS_TABLE"],
        exports=exports,
        queue=os.environ["SEEN_QUEUE_URL"],
    )
    every = Sources.of_outputs(os.environ["IMAGE_BUCKETS"], os.environ["IMAGE_PREFIXES"])
    return Ledger(S3Store(exports)), aws, every


@logger.inject_lambda_context
def work(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Do a step.

    Raises:
        LedgerError: the step can be tried again.
    """
    done = do(*_services(), event)
    if event["step"] == "finish" and done["whole"]:
        values = {"BucketChecked": done["checked"]["objects"], "BucketDifferences": done["count"]}
        for name, (unit, _) in METRICS.items():
            metrics.add_metric(name, unit, values[name])
        metrics.flush_metrics()
    return done


def do(ledger: Ledger, aws: Aws, every: Sources, event: Mapping[str, Any]) -> dict[str, Any]:
    """Do what `work` does, on any services."""
    step = event["step"]
    if step == "start":
        return _start(ledger, aws, every, event)
    if "item" in event:
        return {"done": _child(open_job(ledger, aws, every, event["item"]["prefix"]), step, event["item"])}
    job = open_job(ledger, aws, every, event["prefix"])
    if step == "look":
        return {"unfinished": int(not is_exported(job))}
    if step == "cut":
        pieces = cut(job)
        first_round(job)
        return {
            "pieces": pieces,
            "pieces_key": _key(job, numbers_name("pieces")),
            "ranges_key": _key(job, numbers_name("round-0")),
            "round": 0,
        }
    if step == "gather":
        number = event["round"]
        ranges, found = gather(job, number)
        return {
            "ranges": ranges,
            "ranges_key": _key(job, numbers_name(f"round-{number + 1}")),
            "round": number + 1,
            "found": found,
            "found_key": _key(job, numbers_name("chunks")),
        }
    return finish(job)


def _start(ledger: Ledger, aws: Aws, every: Sources, event: Mapping[str, Any]) -> dict[str, Any]:
    prefix = prefix_of(event["run"])
    job = open_job(ledger, aws, every, prefix)
    wishes = note_wishes(job, event["wishes"])
    start(job)
    logger.info("started", wishes=asdict(wishes), prefix=prefix)
    return {"prefix": prefix, "wait": WAIT_SECONDS if wishes.mode == "verify" else 0}


def _child(job: Job, step: str, item: Mapping[str, Any]) -> Any:
    if step == "sort":
        return sort(job, item["number"])
    if step == "compare":
        return compare_range(job, item["round"], item["number"])
    return settle(job, item["number"])


def _key(job: Job, name: str) -> str:
    return job.scratch.prefix + name
