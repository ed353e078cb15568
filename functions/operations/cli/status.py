"""`skyledger status`: how the ledger is doing."""

from dataclasses import asdict

from operations.cli.deployment import make_deployment
from operations.cli.options import AsJson, Bucket, EndpointUrl, Profile, Region, Stack
from operations.cli.output import Output
from operations.cli.version import own_version
from operations.dead_letters import count_messages
from operations.freshness import Freshness
from operations.status import Status, now, read_status, with_services
from operations.stream_mapping import stream_state

QUEUES = {
    "waiting_events": "ImageQueueUrl",
    "waiting_seen": "SeenQueueUrl",
    "dead_letters": "ImageDeadLettersUrl",
    "seen_dead_letters": "SeenDeadLettersUrl",
}
"""Which queue each number of messages is of, by the stack's output."""


def command(
    bucket: Bucket = "",
    stack: Stack = "",
    profile: Profile = "",
    region: Region = "",
    endpoint_url: EndpointUrl = "",
    as_json: AsJson = False,
) -> None:
    """Show what the ledger holds, whether the CSV shows it, what waits, and what needs an operator."""
    deployment, output = make_deployment(bucket, stack, profile, region, endpoint_url), Output(as_json)
    state = read_status(deployment.ledger(), now(), own_version())
    if deployment.stack:
        sqs = deployment.client("sqs")
        messages = {name: count_messages(sqs, deployment.output(queue)) for name, queue in QUEUES.items()}
        stream = stream_state(deployment.client("lambda"), deployment.output("StreamMappingId"))
        state = with_services(state, stream=stream, stack_version=deployment.outputs.get("Version", ""), **messages)
    output.result(asdict(state))
    shown = "yes" if state.published else f"no, it shows version {state.published_version}"
    age = "" if state.event_age_seconds is None else f" ({state.event_age_seconds:,} s ago)"
    output.pairs(
        {
            "version": state.version,
            "rows": f"{state.rows:,}",
            "bytes": f"{state.bytes:,}",
            "tree": state.tree,
            "newest event": f"{state.newest_event or 'none'}{age}",
            "root's age": _root_age(state.freshness),
            "restored": _restored(state),
            "published": shown,
            "file's age": _file_age(state.freshness),
            "publishing": _since(state.freshness.publishing_since),
            "stream": _or(state.stream),
            "waiting uploads": _or(state.waiting_events),
            "waiting, seen": _or(state.waiting_seen),
            "waiting segments": state.waiting_segments,
            "failed batches": state.failed_batches,
            "quarantined events": state.quarantined,
            "dead letters": _or(state.dead_letters),
            "seen, dead letters": _or(state.seen_dead_letters),
            "buckets checked": _checked(state),
            "snapshots": state.snapshots,
            "skyledger": f"{state.command_version}; the stack: {state.stack_version or _or(None)}",
            "by older readers": _or(state.older_rows, "not counted (skyledger reread --older --dry-run)"),
        }
    )
    for line in state.todo:
        output.say(f"-> {line}")


def _restored(state: Status) -> str:
    if state.restored is None:
        return "no"
    undone = f"; skyledger restore {state.restored.undo} takes it back" if state.restored.undo else ""
    return f"to {state.restored.to}{undone}; skyledger replay --swap brings in all events"


def _root_age(freshness: Freshness) -> str:
    waiting = freshness.waiting_seconds
    waits = "" if waiting is None else f"; changes wait for {waiting:,} s"
    return f"{_told(freshness.root_age_seconds)} s when it was committed, {freshness.committed}{waits}"


def _file_age(freshness: Freshness) -> str:
    if freshness.behind_versions == 0:
        return "that of the root"
    return (
        f"{_told(freshness.file_age_seconds)} s; lacks {_told(freshness.behind_versions)} commits, "
        f"the first {_told(freshness.behind_seconds)} s ago, "
        f"{_told(freshness.behind_rows)} rows, {_told(freshness.behind_bytes)} bytes"
    )


def _since(time: str) -> str:
    return f"somebody has been, since {time}" if time else "nobody"


def _told(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"


def _checked(state: Status) -> str:
    if not state.bucket_checked:
        return "none is noted (verify bucket --distributed notes its own)"
    return f"{state.bucket_checked}, {state.bucket_differences:,} differences"


def _or(found: int | str | None, why: str = "not asked (--stack)") -> int | str:
    return why if found is None else found
