"""template.yaml as CloudFormation reads it, and the stack that it makes of it for given parameters."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from cfnlint.decode import decode

from tests.support.paths import ROOT

_decoded, _faults = decode(str(ROOT / "template.yaml"))
assert not _faults
TEMPLATE: Mapping[str, Any] = _decoded
FUNCTIONS = {
    "ImageProcessor": "ImageProcessorRole",
    "CsvExporter": "CsvExporterRole",
    "CsvPublisher": "CsvPublisherRole",
    "BootstrapFunction": "BootstrapRole",
    "SourcesFunction": "SourcesRole",
    "Collector": "CollectorRole",
    "ReplayWorker": "ReplayWorkerRole",
    "ReplayFinisher": "ReplayFinisherRole",
    "BucketWorker": "BucketWorkerRole",
}
"""Every Lambda function of the stack, with its role."""

FOLLOWING: Mapping[str, Any] = {
    "OwnBucket": "yes",
    "ExistingBuckets": ["archive", "inbox"],
    "ImageKeys": ["arn:aws:kms:eu-west-1:111122223333:key/1"],
    "PublishEventBus": "photos",
}
"""Parameters of a stack that does all that a stack can: every grant of a role is there."""

_UNITS = {"minute": 60, "hour": 3600, "day": 86400}
_NO_VALUE = {"Ref": "AWS::NoValue"}


def properties(name: str) -> Mapping[str, Any]:
    """Give a resource's properties as they stand in the template."""
    return TEMPLATE["Resources"][name]["Properties"]  # type: ignore[no-any-return]


def parameter(name: str) -> Mapping[str, Any]:
    """Give a parameter: its default, its bounds."""
    return TEMPLATE["Parameters"][name]  # type: ignore[no-any-return]


def schedules(function: str) -> list[Mapping[str, Any]]:
    """Give the properties of a function's schedules."""
    events = properties(function).get("Events", {}).values()
    return [event["Properties"] for event in events if event["Type"] == "Schedule"]


def seconds_between(schedule: Mapping[str, Any]) -> int:
    """Give the seconds of `rate(5 minutes)` and the like."""
    number, unit = schedule["Schedule"].removeprefix("rate(").removesuffix(")").split()
    return int(number) * _UNITS[unit.removesuffix("s")]


def stack(**given: Any) -> dict[str, Any]:
    """Give the resources that CloudFormation makes for these parameters: conditions decided, parameters filled in."""
    return {
        name: _resolved(resource, given)
        for name, resource in TEMPLATE["Resources"].items()
        if "Condition" not in resource or _holds(resource["Condition"], given)
    }


def outputs(**given: Any) -> dict[str, Any]:
    """Give the values of the outputs that a stack of these parameters has."""
    return {
        name: _resolved(output["Value"], given)
        for name, output in TEMPLATE["Outputs"].items()
        if "Condition" not in output or _holds(output["Condition"], given)
    }


@cache
def following() -> Mapping[str, Any]:
    """Give the resources of the stack that follows all that a stack can."""
    return stack(**FOLLOWING)


def statements_of(role: str) -> list[Mapping[str, Any]]:
    """Give what a role grants where a stack follows all that it can."""
    policies = following()[role]["Properties"]["Policies"]
    return [one for policy in policies for one in policy["PolicyDocument"]["Statement"]]


def refused_by(**given: Any) -> list[str]:
    """Name the template's rules that refuse these parameters."""
    return [
        name
        for name, rule in TEMPLATE["Rules"].items()
        if _evaluated(rule.get("RuleCondition", True), given)
        and not all(_evaluated(assertion["Assert"], given) for assertion in rule["Assertions"])
    ]


def _holds(condition: str, given: Mapping[str, Any]) -> bool:
    return bool(_evaluated(TEMPLATE["Conditions"][condition], given))


def _evaluated(node: Any, given: Mapping[str, Any]) -> Any:
    if not isinstance(node, Mapping):
        return node
    ((function, argument),) = node.items()
    if function == "Ref":
        value = given.get(argument, parameter(argument)["Default"])
        # An empty text has one member when it is split at commas, an empty one.
        return [value] if value == "" and parameter(argument)["Type"] == "CommaDelimitedList" else value
    if function == "Condition":
        return _holds(argument, given)
    values = [_evaluated(one, given) for one in argument]
    return {
        "Fn::Contains": lambda: values[1] in values[0],
        "Fn::Join": lambda: values[0].join(values[1]),
        "Fn::Equals": lambda: str(values[0]) == str(values[1]),  # CloudFormation compares parameters as text
        "Fn::Not": lambda: not values[0],
        "Fn::And": lambda: all(values),
        "Fn::Or": lambda: any(values),
    }[function]()


def _resolved(node: Any, given: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        values = [_resolved(one, given) for one in node]
        return [value for value in values if value != _NO_VALUE]
    if not isinstance(node, Mapping):
        return node
    if set(node) == {"Fn::If"}:
        condition, then, otherwise = node["Fn::If"]
        return _resolved(then if _holds(condition, given) else otherwise, given)
    if set(node) == {"Ref"} and node["Ref"] in TEMPLATE["Parameters"]:
        return _evaluated(node, given)
    values_of = {name: _resolved(one, given) for name, one in node.items()}
    return _carried_out({name: value for name, value in values_of.items() if value != _NO_VALUE})


def _carried_out(node: dict[str, Any]) -> Any:
    """Carry a function out, if its arguments are plain values: references to resources stay as they are."""
    match node:
        case {"Fn::Join": [str(delimiter), list(parts)]} if all(isinstance(part, str) for part in parts):
            return delimiter.join(parts)
        case {"Fn::Split": [str(delimiter), str(text)]}:
            return text.split(delimiter)
        case {"Fn::Sub": [str(text), dict(values)]} if all(isinstance(value, str) for value in values.values()):
            filled = re.sub(r"\$\{(\w+)\}", lambda name: values.get(name[1], name[0]), text)
            return {"Fn::Sub": filled} if "${" in filled else filled
    return node
