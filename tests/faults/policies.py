"""What roles allow and the export bucket denies: a small evaluator of IAM statements, and what each call asks for.

Evaluated as AWS does without boundaries and organisation policies: nothing is allowed but by an Allow statement whose
action and resource both match, and not what a Deny statement of the bucket's policy matches as well; `*` matches any
characters, `?` one ("IAM JSON policy elements"). Of a condition all keys of all operators must hold; `Null` asks
whether a key is absent, and `Bool` does not match one that is ("IAM JSON policy elements: Condition operators").
Intrinsic functions are resolved to made-up ARNs of one stack.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from infra.doubles.fault_store import Call
from tests.support.template import TEMPLATE, statements_of

ACCOUNT = "aws:eu-west-1:111122223333"
IMAGES, EXPORT = "arn:aws:s3:::photos", "arn:aws:s3:::export"
EXISTING = ("arn:aws:s3:::archive", "arn:aws:s3:::inbox")
TABLE = "arn:aws:dynamodb:eu-west-1:111122223333:table"
ARNS = {
    "ImagesBucket.Arn": IMAGES,
    "ExportBucket.Arn": EXPORT,
    "Images.Arn": f"{TABLE}/Images",
    "Images.StreamArn": f"{TABLE}/Images/stream/2026-11-25T07:00:00.000",
    "Objects.Arn": f"{TABLE}/Objects",
    "CsvPublisher.Arn": "arn:aws:lambda:eu-west-1:111122223333:function:publisher",
    "ImageQueue.Arn": "arn:aws:sqs:eu-west-1:111122223333:images",
    "ImageDeadLetters.Arn": "arn:aws:sqs:eu-west-1:111122223333:dead",
    "SeenQueue.Arn": "arn:aws:sqs:eu-west-1:111122223333:seen",
}
BUS = "arn:aws:events:eu-west-1:111122223333:event-bus/photos"
PSEUDO = {
    "PublishEventBus": "photos",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::AccountId": "111122223333",
    "AWS::StackName": "survey",
    "AWS::StackId": "arn:aws:cloudformation:eu-west-1:111122223333:stack/survey/1",
    "ImagesBucket": "photos",
    "ExportBucket": "export",
}

# What S3 asks for, per verb of the store (S3 User Guide, "Conditional writes": If-Match reads the object).
GET, PUT, DELETE = "s3:GetObject", "s3:PutObject", "s3:DeleteObject"
ASKED: Mapping[str, tuple[str, ...]] = {
    "get": (GET,),
    "get_range": (GET,),
    "head": (GET,),
    "put_new": (PUT,),
    "put_if_match": (GET, PUT),
    "delete": (DELETE,),
    "delete_if_match": (GET, DELETE),
    "start_upload": (PUT,),
    "upload_part": (PUT,),
    "copy_part": (GET, PUT),
    "finish_upload": (GET, PUT),
    "abort_upload": ("s3:AbortMultipartUpload",),
}


# Condition keys of a request. All count as sent over TLS: that the tests' servers speak plain HTTP is no matter of it.
Context = Mapping[str, str]
TLS: Context = {"aws:SecureTransport": "true"}
IF_NONE_MATCH, IF_MATCH = "s3:if-none-match", "s3:if-match"
_CREATES = "s3:ObjectCreationOperation"  # false for the requests on parts ("Enforce conditional writes", S3 User Guide)
PART: Context = {**TLS, _CREATES: "false"}
BLIND: Context = {**TLS, _CREATES: "true"}
NEW: Context = {**BLIND, IF_NONE_MATCH: "*"}
MATCHED: Context = {**BLIND, IF_MATCH: "an ETag"}


def asked_by(call: Call) -> Iterator[tuple[str, str]]:
    """Give the actions and resources that a call of the store needs."""
    if call.verb == "list":
        yield "s3:ListBucket", EXPORT
        return
    for key in call.key.split(" "):
        for action in ASKED[call.verb]:
            yield action, f"{EXPORT}/{key}"


class Role:
    """What a role may do.

    Args:
        statements: of its policies, with intrinsic functions as the template has them.
    """

    def __init__(self, statements: Iterable[Mapping[str, Any]]) -> None:
        self._allowed = [
            (_patterns(statement["Action"]), _patterns(statement["Resource"]))
            for statement in statements
            if statement["Effect"] == "Allow"
        ]

    def may(self, action: str, resource: str) -> bool:
        """Say whether the role may do this to that."""
        return any(
            any(pattern.fullmatch(action) for pattern in actions)
            and any(pattern.fullmatch(resource) for pattern in resources)
            for actions, resources in self._allowed
        )


class BucketPolicy:
    """What the policy of a bucket denies to everybody, whatever a role allows.

    Args:
        statements: of the policy, with intrinsic functions as the template has them; those that are there only under a
            condition of the template are taken as there.
    """

    def __init__(self, statements: Iterable[Mapping[str, Any]]) -> None:
        given = (one["Fn::If"][1] if "Fn::If" in one else one for one in statements)
        self._denials = [
            (one["Sid"], _patterns(one["Action"]), _patterns(one["Resource"]), one["Condition"])
            for one in given
            if one["Effect"] == "Deny" and one["Principal"] == "*"
        ]

    def denial(self, action: str, resource: str, context: Context) -> str | None:
        """Give the Sid of a statement that denies this request, if any."""
        for sid, actions, resources, condition in self._denials:
            if (
                any(pattern.fullmatch(action) for pattern in actions)
                and any(pattern.fullmatch(resource) for pattern in resources)
                and _holds(condition, context)
            ):
                return str(sid)
        return None


def _holds(condition: Mapping[str, Mapping[str, str]], context: Context) -> bool:
    test = {
        "Null": lambda key, value: value == ("false" if key in context else "true"),
        "Bool": lambda key, value: context.get(key) == value,
    }
    return all(test[operator](key, value) for operator, keys in condition.items() for key, value in keys.items())


@cache
def export_policy() -> BucketPolicy:
    """Give the policy of the export bucket."""
    return BucketPolicy(TEMPLATE["Resources"]["ExportBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"])


@cache
def role_of(function: str) -> Role:
    """Give the role of a function of the template."""
    resources = TEMPLATE["Resources"]
    name = resources[function]["Properties"]["Role"]["Fn::GetAtt"][0]
    assert "ManagedPolicyArns" not in resources[name]["Properties"]
    return Role(statements_of(name))


def _patterns(found: Any) -> list[re.Pattern[str]]:
    texts = [resolved(one) for one in (found if isinstance(found, list) else [found])]
    return [re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL) for text in texts]


def resolved(value: Any) -> str:
    """Give the text of a value of the template, with its intrinsic functions carried out."""
    if isinstance(value, str):
        return value
    ((function, argument),) = value.items()
    if function == "Ref":
        return PSEUDO[argument]
    if function == "Fn::GetAtt":
        return _arn(".".join(argument))
    assert function == "Fn::Sub", function
    return re.sub(r"\$\{([^}]+)\}", lambda match: PSEUDO.get(match[1]) or _arn(match[1]), argument)


def _arn(name: str) -> str:
    return ARNS.get(name) or f"arn:{ACCOUNT}:{name.removesuffix('.Arn')}"
