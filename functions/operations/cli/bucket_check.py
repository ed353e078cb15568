"""What `skyledger verify bucket` does and shows, beside the other checks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from ledger.ledger import Ledger
from operations.bucket.check import BucketFindings, Lane, check_buckets
from operations.bucket.distributed.step_names import DIFFERENCES, RESULT
from operations.bucket.lane import CONFIG
from operations.bucket.recheck import Looker
from operations.cli.deployment import Deployment
from operations.cli.output import Output
from operations.dead_letters import count_messages
from operations.progress import Progress
from operations.rebuild.scratch import Scratch
from operations.state_machine import run_state_machine


@dataclass(frozen=True, slots=True)
class BucketOptions:
    """What the command line says of this check.

    Attributes:
        repair: send what differs to the lane.
        inventory: as in `operations.bucket.gather.Wanted`.
        rate: objects a second, at most; 0: as fast as it goes.
        in_flight: minutes in which an upload counts as on its way.
    """

    repair: bool
    inventory: str
    rate: float
    in_flight: float


def run(
    deployment: Deployment,
    ledger: Ledger,
    output: Output,
    progress: Progress,
    options: BucketOptions,
    arn: str,
    open_scratch: Callable[[], Scratch],
) -> dict[str, Any]:
    """Check the buckets; give the result as a program gets it."""
    sources, objects = deployment.sources(), deployment.output("ObjectsTableName")
    wanted = deployment.wanted(sources, deployment.export_request("" if arn else objects, arn), options.inventory)
    looker = Looker(deployment.client("dynamodb"), wanted.s3, objects, deployment.output("ImagesTableName"))
    lane = Lane(deployment.client("sqs", CONFIG), deployment.output("SeenQueueUrl"), options.rate)
    queues = lane.queue, deployment.output("ImageQueueUrl")
    waiting = sum(count_messages(lane.sqs, queue) for queue in queues)
    if waiting:
        output.note(f"{waiting:,} messages wait to be processed: what they tell of may show as a difference")
    findings = check_buckets(
        ledger,
        wanted,
        looker,
        open_scratch(),
        repair=lane if options.repair else None,
        in_flight_minutes=options.in_flight,
        progress=progress,
        note=output.note,
    )
    return _described(findings, waiting)


def run_there(
    deployment: Deployment, output: Output, progress: Progress, options: BucketOptions, arn: str
) -> dict[str, Any]:
    """Let Step Functions check the buckets; give the result in the same form, and where all that differs is named."""
    wishes = {
        "mode": "verify",
        "repair": options.repair,
        "inventory": options.inventory,
        "export": arn,
        "rate": options.rate,
        "in_flight": options.in_flight,
    }
    return compare_there(deployment, output, progress, wishes)


def compare_there(
    deployment: Deployment, output: Output, progress: Progress, wishes: Mapping[str, Any]
) -> dict[str, Any]:
    """Run the state machine that compares the buckets with the ledger; give what its last step wrote."""
    machine = deployment.output("BucketCheckStateMachineArn")
    numbers = run_state_machine(deployment.client("stepfunctions"), machine, dict(wishes), progress, output.note)
    result: dict[str, Any] = orjson.loads(deployment.open_store()().get(numbers["prefix"] + RESULT).body)
    return result


def _described(findings: BucketFindings, waiting: int) -> dict[str, Any]:
    return {
        "good": findings.good,
        "checked": {**findings.checked, "messages_waiting": waiting},
        "count": findings.count,
        **{kind.value: count for kind, count in findings.counts.items()},
        "differences": [
            {"kind": one.kind.value, "bucket": one.bucket, "key": one.key, "why": one.why} for one in findings.named
        ],
        "repaired": findings.repaired,
    }


def show(output: Output, result: dict[str, Any]) -> None:
    """Tell a person what was found."""
    checked = ", ".join(
        f"{key} {value:,}" if isinstance(value, int) else f"{key} {value}" for key, value in result["checked"].items()
    )
    output.say(f"bucket: {'good' if result['good'] else 'NOT GOOD'} ({checked})")
    if result["checked"].get("on_their_way"):
        output.say(f"  {result['checked']['on_their_way']:,} were written too lately to be judged (--in-flight)")
    if result["good"]:
        return
    output.say(f"  {result['missing']:,} missing, {result['stale']:,} stale, {result['phantom']:,} phantom")
    for one in result["differences"]:
        output.say(f"  {one['kind']}  s3://{one['bucket']}/{one['key']}  {one['why']}")
    if result["count"] > len(result["differences"]):
        where = f", in {result['prefix']}{DIFFERENCES}/ of the export bucket" if "prefix" in result else ""
        output.say(f"  and {result['count'] - len(result['differences']):,} more{where}")
    if result["repaired"]:
        output.say(f"  {result['repaired']:,} objects sent to be looked at: verify again when none waits in the lane")
    else:
        output.say("  skyledger verify bucket --repair sends them to be looked at")
