"""Where images come from: the stack's own bucket, existing ones, or both, and what each way needs."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from image_processor.notification import Kind, parse
from operations.existing_buckets import OWN_BUCKET
from tests.support.template import TEMPLATE, outputs, parameter, properties, refused_by, stack

TWO = {"ExistingBuckets": ["archive", "inbox"]}
OWN_AND_OTHERS = {**TWO, "OwnBucket": "yes"}
KEY = "arn:aws:kms:eu-west-1:111122223333:key/mrk-1"
WAYS: dict[str, tuple[dict[str, Any], bool, list[str]]] = {
    "as it comes": ({}, True, []),
    "existing ones instead": (TWO, False, ["archive", "inbox"]),
    "one existing one": ({"ExistingBuckets": ["archive"], "OwnBucket": "no"}, False, ["archive"]),
    "both": (OWN_AND_OTHERS, True, ["archive", "inbox"]),
    "the own one, said": ({"OwnBucket": "yes", "ImagesBucketName": "photos"}, True, []),
}
EVERYTHING = {
    "Distribution": "signed",
    "DistributionKeyGroup": "k",
    "DistributionDomain": "d.org",
    "DistributionCertificate": "c",
    "Tracing": "Active",
    "AlarmEmail": "a@b",
    "ImageKeys": [KEY],
    "JournalArchiveDays": 1,
    "ExportBucketName": "csv",
}


def references(node: Any) -> Iterator[str]:
    """Give what a part of a stack refers to, by its logical id."""
    if isinstance(node, list):
        for one in node:
            yield from references(one)
    elif isinstance(node, Mapping):
        for name, value in node.items():
            match name, value:
                case "Ref", str():
                    yield value
                case "Fn::GetAtt", [resource, _]:
                    yield resource
                case "Fn::Sub", str():
                    yield from (found.partition(".")[0] for found in re.findall(r"\$\{([^}!]+)\}", value))
                case _:
                    yield from references(value)


def allowed(resources: Mapping[str, Any], role: str) -> dict[str, list[Any]]:
    """Give the resources on which a role has each action."""
    found: dict[str, list[Any]] = {}
    for policy in resources[role]["Properties"]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            actions, on = statement["Action"], statement["Resource"]
            for action in _listed(actions):
                found.setdefault(action, []).extend(_listed(on))
    return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("more", [{}, EVERYTHING], ids=["plain", "everything"])
@pytest.mark.parametrize("way", WAYS)
def test_a_stack_refers_to_nothing_that_it_does_not_have(way: str, more: dict[str, Any]) -> None:
    """CloudFormation would refuse it: whatever is made under a condition is named under it alone."""
    given = {**more, **WAYS[way][0]}
    made = stack(**given)
    known = {*made, *TEMPLATE["Parameters"]}
    # SAM makes these of a function's events.
    known |= {f"{name}{event}" for name in made for event in made[name].get("Properties", {}).get("Events", {})}
    parts = {name: one.get("Properties", {}) for name, one in made.items()} | {"the outputs": outputs(**given)}
    strange = {(name, found) for name, part in parts.items() for found in references(part)}
    assert {(name, found) for name, found in strange if not found.startswith("AWS::") and found not in known} == set()
    needed = {need for one in made.values() for need in _listed(one.get("DependsOn", []))}
    assert needed <= known


@pytest.mark.parametrize("way", WAYS)
def test_all_who_ask_are_told_the_same_buckets(way: str) -> None:
    """ImageProcessor, the commands and the function that refuses; the own bucket first."""
    given, own, existing = WAYS[way]
    made, told = stack(**given), outputs(**given)
    assert ("ImagesBucket" in made) == ("ImagesBucketPolicy" in made) == ("ImagesBucketName" in told) == own
    names = ([{"Ref": "ImagesBucket"}] if own else []) + ([",".join(existing)] if existing else [])
    wanted: Any = {"Fn::Join": [",", names]} if own else names[0]
    assert (
        told["ImageBuckets"]
        == made["ImageProcessor"]["Properties"]["Environment"]["Variables"]["IMAGE_BUCKETS"]
        == wanted
    )
    asked = made["Sources"]["Properties"]
    assert [one for one in asked["ExistingBuckets"] if one] == existing
    assert asked[OWN_BUCKET] == ({"Ref": OWN_BUCKET} if own else "")
    assert (asked["OwnBucket"], asked["ExportBucket"]) == (given.get("OwnBucket", "auto"), {"Ref": "ExportBucket"})
    assert asked["ServiceToken"] == {"Fn::GetAtt": ["SourcesFunction", "Arn"]}


def test_all_who_ask_are_told_the_same_prefixes() -> None:
    """Of all sources alike; and of no bucket at all is the own one made that nobody wants: `Sources` refuses that."""
    for given, wanted in (({}, ""), ({"ImagePrefixes": ["raw/", "2026 "], "OwnBucket": "no"}, "raw/,2026 ")):
        made = stack(**given)
        assert made["ImageProcessor"]["Properties"]["Environment"]["Variables"]["IMAGE_PREFIXES"] == wanted
        assert outputs(**given)["KeyPrefixes"] == wanted
        assert ("ImagesBucket" in made) == (given == {})


@pytest.mark.parametrize("way", WAYS)
def test_roles_reach_the_sources_and_no_other_bucket(way: str) -> None:
    """Each by its name; the function that switches EventBridge on reaches existing buckets alone."""
    given, own, existing = WAYS[way]
    made = stack(**given)
    objects = [{"Fn::Sub": "${ImagesBucket.Arn}/*"}] * own + [f"arn:*:s3:::{name}/*" for name in existing]
    buckets = [{"Fn::GetAtt": ["ImagesBucket", "Arn"]}] * own + [f"arn:*:s3:::{name}" for name in existing]
    may = allowed(made, "ImageProcessorRole")
    assert may["s3:GetObject"] == may["s3:GetObjectVersion"] == objects
    assert may["s3:ListBucket"] == may["s3:ListBucketVersions"] == buckets
    switching = {action: on for action, on in allowed(made, "SourcesRole").items() if action.startswith("s3:")}
    actions = ("s3:GetBucketNotification", "s3:PutBucketNotification", "s3:ListBucket")
    assert switching == (
        {action: [f"arn:*:s3:::{name}" for name in existing] for action in actions} if existing else {}
    )


def test_keys_are_used_for_reading_alone_and_only_where_they_are_named() -> None:
    """Without a parameter the role has no right to any key; an alias is no resource of IAM."""
    assert "kms:Decrypt" not in allowed(stack(), "ImageProcessorRole")
    assert allowed(stack(ImageKeys=[KEY]), "ImageProcessorRole")["kms:Decrypt"] == [KEY]
    pattern = re.compile(parameter("ImageKeys")["AllowedPattern"])
    assert [bool(pattern.search(key)) for key in (KEY, "", KEY.replace("key/", "alias/"), "mrk-1")] == [
        True,
        True,
        False,
        False,
    ]


def test_events_of_existing_buckets_come_by_a_rule_and_are_lost_at_no_turn() -> None:
    """Of each kind that changes a row; what cannot be delivered for a day lies among the dead letters.

    "Amazon S3 EventBridge events" (S3 User Guide) names the kinds; the default of the retries is their most
    (EventBridge User Guide, "How EventBridge retries delivering events").
    """
    assert "ImageEvents" not in stack()
    rule = stack(**TWO)["ImageEvents"]["Properties"]
    assert set(rule) == {"Description", "EventPattern", "Targets"}, "switched on, on the default bus"
    pattern = rule["EventPattern"]
    assert {name: pattern[name] for name in ("source", "detail")} == {
        "source": ["aws.s3"],
        "detail": {"bucket": {"name": ["archive", "inbox"]}},
    }
    kinds = {kind: parse(event_of(kind)).events[0].kind for kind in pattern["detail-type"]}
    assert kinds == {
        "Object Created": Kind.CREATED,
        "Object Deleted": Kind.REMOVED,
        "Object Restore Completed": Kind.RESTORED,
    }
    assert rule["Targets"] == [
        {
            "Id": "ImageQueue",
            "Arn": {"Fn::GetAtt": ["ImageQueue", "Arn"]},
            "RetryPolicy": {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185},
            "DeadLetterConfig": {"Arn": {"Fn::GetAtt": ["ImageDeadLetters", "Arn"]}},
        }
    ]


def event_of(kind: str) -> str:
    """Write an event as EventBridge sends it."""
    detail = '{"bucket": {"name": "archive"}, "object": {"key": "a.jpg", "sequencer": "0a"}}'
    return f'{{"source": "aws.s3", "detail-type": "{kind}", "time": "2026-11-26T12:00:00Z", "detail": {detail}}}'


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("queue", ["ImageQueue", "ImageDeadLetters"])
def test_the_rule_alone_may_send_what_eventbridge_brings(queue: str, way: str) -> None:
    """To the queue and to its dead letters; S3 itself sends for the own bucket, and to the queue alone."""
    given, own, existing = WAYS[way]
    statements = stack(**given)[f"{queue}Policy"]["Properties"]["PolicyDocument"]["Statement"]
    grants = {one["Principal"]["Service"]: one for one in statements if one["Effect"] == "Allow"}
    by_s3 = ["s3.amazonaws.com"] if own and queue == "ImageQueue" else []
    assert sorted(grants) == (["events.amazonaws.com"] if existing else []) + by_s3
    if existing:
        grant = grants["events.amazonaws.com"]
        assert (grant["Action"], grant["Resource"]) == ("sqs:SendMessage", {"Fn::GetAtt": [queue, "Arn"]})
        assert grant["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["ImageEvents", "Arn"]}}}


def test_events_begin_when_they_can_be_delivered() -> None:
    """EventBridge drops what neither queue nor dead letters take (its User Guide, "Using dead-letter queues")."""
    assert TEMPLATE["Resources"]["Sources"]["DependsOn"] == ["ImageQueuePolicy", "ImageDeadLettersPolicy"]
    assert properties("Sources")["ServiceTimeout"] == properties("Bootstrap")["ServiceTimeout"]
    assert properties("SourcesFunction")["Timeout"] == properties("BootstrapFunction")["Timeout"]


def test_the_export_bucket_is_none_of_the_existing_ones() -> None:
    """Nor does a rule refuse what nobody gave: an empty list has one empty member."""
    assert refused_by() == refused_by(ExportBucketName="csv", **TWO) == refused_by(**TWO) == []
    assert refused_by(ExportBucketName="inbox", **TWO) == ["ExistingBucketsApart"]


@pytest.mark.parametrize(
    ("name", "value", "fits"),
    [
        ("ExistingBuckets", "photos-2026", True),
        ("ExistingBuckets", "s3://photos", False),
        ("ExistingBuckets", "photos/raw", False),
        ("ImagePrefixes", "raw/2026 11/", True),
        ("ImagePrefixes", "raw/*", False),
    ],
)
def test_names_and_prefixes_are_checked_before_anything_is_made(name: str, value: str, fits: bool) -> None:
    """Each member of a list (CloudFormation User Guide, "Parameters": AllowedPattern), and an empty one passes."""
    pattern = re.compile(parameter(name)["AllowedPattern"])
    assert bool(pattern.search(value)) == fits
    assert pattern.search("")
    assert (parameter(name)["Type"], parameter(name)["Default"]) == ("CommaDelimitedList", "")
