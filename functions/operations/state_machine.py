"""Run a state machine of the stack on Step Functions and wait for it (`infra/*.asl.yaml`)."""

import time
from collections.abc import Callable
from typing import Any

import orjson

from operations.errors import ExecutionFailed
from operations.progress import Progress

_LOOK_SECONDS = 5.0


def run_state_machine(
    step_functions: Any,
    state_machine: str,
    wishes: dict[str, Any],
    progress: Progress,
    note: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Start the state machine, show how far its maps are, and give its result.

    Args:
        step_functions: client of Step Functions.
        state_machine: its ARN.
        wishes: input of the execution.
        progress: is told the children done, per map; a map that runs several times is one.
        note: is told the ARN of the execution.
        sleep: waits between two looks.

    Raises:
        ExecutionFailed: with what Step Functions says about it.
    """
    started = step_functions.start_execution(stateMachineArn=state_machine, input=orjson.dumps(wishes).decode())
    arn = started["executionArn"]
    note(f"execution {arn}")
    while True:
        execution = step_functions.describe_execution(executionArn=arn)
        for label, (done, total) in _maps(step_functions, arn).items():
            progress(f"{label} on AWS", done, max(1, total))
        if execution["status"] == "SUCCEEDED":
            result: dict[str, Any] = orjson.loads(execution["output"])
            return result
        if execution["status"] != "RUNNING":
            cause = " ".join(str(execution.get("cause", "")).split())
            error = execution.get("error", "")
            raise ExecutionFailed(f"the execution ended as {execution['status']}: {error} {cause}".strip())
        sleep(_LOOK_SECONDS)


def _maps(step_functions: Any, arn: str) -> dict[str, tuple[int, int]]:
    """Count the children of each map, by its label: those that are done, and all."""
    counted: dict[str, tuple[int, int]] = {}
    for run in step_functions.list_map_runs(executionArn=arn)["mapRuns"]:
        counts = step_functions.describe_map_run(mapRunArn=run["mapRunArn"])["itemCounts"]
        label = run["mapRunArn"].rpartition("/")[2].partition(":")[0].lower()
        done, total = counted.get(label, (0, 0))
        counted[label] = done + counts["succeeded"], total + counts["total"]
    return counted
