"""The state machines as CloudFormation reads them: strict YAML, a sound structure, and no state left hanging."""

import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from cfnlint.api import lint_all

from operations.bucket.distributed.outcome import SETTLERS
from operations.bucket.distributed.pieces import PATIENCE
from operations.rebuild.plan import CHUNK_BYTES, RANGE_BYTES
from tests.support.paths import ROOT
from tests.support.template import TEMPLATE as CONTENT
from tests.support.template import parameter, properties

TEMPLATE = ROOT / "template.yaml"
MACHINES = ("Replay", "BucketCheck")
VALUES = {
    "Partition": "aws",
    "ExportBucket": "exports",
    "Worker": "arn:aws:lambda:eu-west-1:111122223333:function:worker",
    "Finisher": "arn:aws:lambda:eu-west-1:111122223333:function:finisher",
}


def _machines() -> dict[str, Mapping[str, Any]]:
    resources = CONTENT["Resources"].items()
    return {name: one["Properties"] for name, one in resources if one["Type"] == "AWS::Serverless::StateMachine"}


def _files_that_aws_reads() -> list[Path]:
    """The template, and whatever it names that is uploaded as it is."""
    return [TEMPLATE, *(ROOT / machine["DefinitionUri"] for machine in _machines().values())]


def anchors_in(text: str) -> list[str]:
    """Name the anchors and aliases of a YAML text, as a reader that knows none of them meets them."""
    found = ((event, getattr(event, "anchor", None)) for event in yaml.parse(text, yaml.SafeLoader))
    return [f"line {event.start_mark.line + 1}: {anchor}" for event, anchor in found if anchor]


def _definition(name: str = "Replay") -> dict[str, Any]:
    machine = _machines()[name]
    text = (ROOT / machine["DefinitionUri"]).read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{(\w+)\}", text)) == set(machine["DefinitionSubstitutions"]) <= set(VALUES)
    definition: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{(\w+)\}", lambda name: VALUES[name[1]], text))
    return definition


def faults_of(definition: Mapping[str, Any]) -> list[str]:
    """Say what cfn-lint, which knows the States Language, has against a definition; it looks into templates only."""
    properties = {"RoleArn": "arn:aws:iam::111122223333:role/replay", "Definition": definition}
    template = {"Resources": {"Replay": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}}}
    return [match.message for match in lint_all(json.dumps(template)) if match.rule.id.startswith(("E", "W"))]


def _graphs(states: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give every graph of states, with its first: the machine's own, and one inside each Map."""
    yield states["StartAt"], states["States"]
    for state in states["States"].values():
        if state["Type"] == "Map":
            yield from _graphs(state["ItemProcessor"])


def _followers(state: Mapping[str, Any]) -> Iterator[str]:
    for place in (state, *state.get("Choices", ()), *state.get("Catch", ())):
        yield from (place[name] for name in ("Next", "Default") if name in place)


def hanging(definition: Mapping[str, Any]) -> set[str]:
    """Name the states that are led to and are not there, and those that are there and never led to."""
    wrong: set[str] = set()
    for first, states in _graphs(definition):
        led_to = {first}.union(*(_followers(state) for state in states.values()))
        wrong |= led_to ^ set(states)
    return wrong


@pytest.mark.parametrize("path", _files_that_aws_reads(), ids=lambda path: path.name)
def test_no_file_that_aws_reads_has_anchors_or_aliases(path: Path) -> None:
    """CloudFormation's reader of YAML does not resolve them, and every local one does, so nothing else would notice."""
    assert anchors_in(path.read_text(encoding="utf-8")) == []


def test_anchors_and_aliases_are_found_wherever_they_stand() -> None:
    """On a list, on a mapping, on a text, and where they are used."""
    text = "a: &list [1]\nb: *list\nc: &text x\nd: &map {e: 1}\nf: {<<: *map}\n"
    assert anchors_in(text) == ["line 1: list", "line 2: list", "line 3: text", "line 4: map", "line 5: map"]


def test_every_state_machine_is_looked_at_here() -> None:
    """A new one has to be listed."""
    assert set(_machines()) == set(MACHINES)


@pytest.mark.parametrize("machine", MACHINES)
def test_the_definition_is_sound(machine: str) -> None:
    """Each state has the fields that its type has, and no other; each leads to one that is there."""
    definition = _definition(machine)
    assert faults_of(definition) == []
    assert hanging(definition) == set()


def test_what_is_wrong_with_a_definition_is_noticed() -> None:
    """A field that the language does not know, an end that is missing, a state that is not there or not led to."""
    broken = deepcopy(_definition())
    broken["States"]["Gather"]["Retries"] = []
    del broken["States"]["Reduce"]["ItemProcessor"]["States"]["ReduceRanges"]["End"]
    faults = faults_of(broken)
    assert any("Retries" in fault for fault in faults)
    assert any("End" in fault for fault in faults)
    broken = deepcopy(_definition())
    broken["States"]["Gather"]["Next"] = "Redue"
    assert hanging(broken) == {"Redue", "Reduce"}


@pytest.mark.parametrize(("machine", "calls"), [("Replay", 5), ("BucketCheck", 8)])
def test_every_call_of_a_function_is_tried_again(machine: str, calls: int) -> None:
    """A child that Lambda throttles, or that finds S3 down, must not cost the whole: half a minute passes.

    With jitter, for two hundred children that were throttled together would come again together.
    """
    graphs = _graphs(_definition(machine))
    tasks = [state for _, states in graphs for state in states.values() if state["Type"] == "Task"]
    assert len(tasks) == calls
    for task in tasks:
        (retry,) = task["Retry"]
        assert retry["ErrorEquals"] == ["States.ALL"]
        assert retry["JitterStrategy"] == "FULL"
        waits = [retry["IntervalSeconds"] * retry["BackoffRate"] ** n for n in range(retry["MaxAttempts"])]
        assert sum(waits) >= 30
        assert max(waits) <= 60, "an operator waits for it"


def _maps(machine: str = "Replay") -> dict[str, Mapping[str, Any]]:
    return {name: state for name, state in _definition(machine)["States"].items() if state["Type"] == "Map"}


@pytest.mark.parametrize(
    ("machine", "maps"), [("Replay", {"Map", "Reduce"}), ("BucketCheck", {"Sort", "Compare", "Settle"})]
)
def test_a_map_fails_if_any_of_its_children_does(machine: str, maps: set[str]) -> None:
    """A tolerated failure would be a range of rows that the tree lacks, or of objects that nobody compared."""
    assert set(_maps(machine)) == maps
    for name, state in _maps(machine).items():
        assert not [field for field in state if field.startswith("Tolerated")], name


@pytest.mark.parametrize("machine", MACHINES)
def test_children_are_executions_of_their_own_and_leave_the_account_room(machine: str) -> None:
    """One execution's history ends at 25,000 events, and an express child after five minutes, before its function.

    An account has 1,000 invocations at once, unless it asked for more: photos come while a journal is replayed.
    """
    for state in _maps(machine).values():
        assert state["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
        assert state["MaxConcurrency"] <= 1000 // 4


def test_what_a_child_gets_is_done_long_before_its_time_is_up() -> None:
    """50,000 events a second on a whole processor, of which the smallest function has a seventh (256 of 1769 MB).

    Segments are a 14th of their events (`operations/rebuild/plan.py`), which have 4.9 KB (infra/README.md).
    """
    timeout = properties("ReplayWorker")["Timeout"]
    share = parameter("ExporterMemoryMB")["MinValue"] / 1769
    for state, chunk_bytes in ((_maps()["Map"], CHUNK_BYTES), (_maps()["Reduce"], RANGE_BYTES)):
        events = state["ItemBatcher"]["MaxItemsPerBatch"] * 14 * chunk_bytes / 4900
        assert events / (50_000 * share) < timeout / 10


def test_each_step_reads_and_writes_in_its_own_place() -> None:
    """Results of two maps in one place would be taken for each other's, and among the chunks for more of them.

    What a map's children answered stays in the bucket: all of it would not fit into what passes between states.
    """
    for machine, run in (("Replay", "plan"), ("BucketCheck", "run")):
        for name, state in _maps(machine).items():
            prefix = state["ResultWriter"]["Parameters"]["Prefix.$"]
            assert prefix == f"States.Format('{{}}results/{name.lower()}', $.{run}.prefix)"
            assert state["ResultPath"] is None
    assert _maps()["Map"]["ItemReader"]["Parameters"]["Prefix.$"] == "$.plan.chunk_prefix"


def test_the_last_step_alone_calls_the_function_that_may_swap_and_knows_what_was_wished() -> None:
    """All others call the worker, whose role cannot write the root."""
    called = {
        name: state["Parameters"]["FunctionName"]
        for _, states in _graphs(_definition())
        for name, state in states.items()
        if state["Type"] == "Task"
    }
    assert {name for name, function in called.items() if function == VALUES["Finisher"]} == {"Finish"}
    steps = _definition()["States"]
    for step in ("Plan", "Finish"):
        assert steps[step]["Parameters"]["Payload"]["wishes.$"] == "$$.Execution.Input"
    assert steps["Plan"]["Parameters"]["Payload"]["run.$"] == "$$.Execution.Name", (
        "tried again, it finds its own leavings"
    )


def test_a_journal_without_segments_is_a_replay_too() -> None:
    """Nothing to map, and an empty tree to join; a single chunk is mapped."""
    (choice,) = _definition()["States"]["AnyChunks"]["Choices"]
    assert choice == {"Variable": "$.plan.chunks", "NumericGreaterThan": 0, "Next": "Map"}
    assert _definition()["States"]["AnyChunks"]["Default"] == _definition()["States"]["Map"]["Next"] == "Gather"


def test_those_who_settle_share_the_rate_that_was_asked_for() -> None:
    """Each takes its part of it, so no more may run than it is shared by."""
    assert _maps("BucketCheck")["Settle"]["MaxConcurrency"] == SETTLERS


def test_a_check_begins_as_it_was_asked_to_and_waits_for_its_export() -> None:
    """Tried again, it finds its own export; a look every half minute is far from 25,000 events within a day."""
    states = _definition("BucketCheck")["States"]
    payload = states["Start"]["Parameters"]["Payload"]
    assert (payload["wishes.$"], payload["run.$"]) == ("$$.Execution.Input", "$$.Execution.Name")
    events_of_a_look = 2 + 5 + 2  # a Wait, a Task with its function, a Choice
    looks = PATIENCE.total_seconds() / states["WaitForExport"]["Seconds"]
    assert looks * events_of_a_look < 25_000 * 1.1
