"""Run a replay on Step Functions and wait for it (`infra/replay.asl.yaml`)."""

import time
from collections.abc import Callable
from typing import Any

import orjson

from operations.errors import ExecutionFailed
from operations.progress import Progress

_LOOK_SECONDS = 5.0


def replay_distributed(
    functions: Any,
    state_machine: str,
    wishes: dict[str, Any],
    progress: Progress,
    note: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Start the state machine, show how far its maps are, and give its result.

    Args:
        functions: client of Step Functions.
        state_machine: its ARN.
        wishes: input of the execution.
        progress: is told the children done, per map.
        note: is told the ARN of the execution.
        sleep: waits between two looks.

    Raises:
        ExecutionFailed: with what Step Functions says about it.
    """
    arn = functions.start_execution(stateMachineArn=state_machine, input=orjson.dumps(wishes).decode())["executionArn"]
    note(f"execution {arn}")
    while True:
        found = functions.describe_execution(executionArn=arn)
        for run in functions.list_map_runs(executionArn=arn)["mapRuns"]:
            counts = functions.describe_map_run(mapRunArn=run["mapRunArn"])["itemCounts"]
            label = run["mapRunArn"].rpartition("/")[2].partition(":")[0].lower()
            progress(f"{label} on AWS", counts["succeeded"], max(1, counts["total"]))
        if found["status"] == "SUCCEEDED":
            result: dict[str, Any] = orjson.loads(found["output"])
            return result
        if found["status"] != "RUNNING":
            cause = " ".join(str(found.get("cause", "")).split())
            raise ExecutionFailed(f"the execution ended as {found['status']}: {found.get('error', '')} {cause}".strip())
        sleep(_LOOK_SECONDS)
