"""What the template's roles allow: a small evaluator of IAM statements, and what each call of the code asks for.

Evaluated as AWS does without boundaries and organisation policies: nothing is allowed but by an Allow statement whose
action and resource both match; `*` matches any characters, `?` one ("IAM JSON policy elements"). Intrinsic functions
are resolved to made-up ARNs of one stack.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from infra.doubles.fault_store import Call
from tests.support.template import TEMPLATE

ACCOUNT = "aws:eu-west-1:111122223333"
IMAGES, EXPORT = "arn:aws:s3:::photos", "arn:aws:s3:::export"
TABLE = "arn:aws:dynamodb:eu-west-1:111122223333:table"
ARNS = {
    "ImagesBucket.Arn": IMAGES,
    "ExportBucket.Arn": EXPORT,
    "Images.Arn": f"{TABLE}/Images",
    "Images.StreamArn": f"{TABLE}/Images/stream/2026-11-25T07:00:00.000",
    "Objects.Arn": f"{TABLE}/Objects",
    "ImageQueue.Arn": "arn:aws:sqs:eu-west-1:111122223333:images",
    "ImageDeadLetters.Arn": "arn:aws:sqs:eu-west-1:111122223333:dead",
}
PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::AccountId": "111122223333",
    "AWS::StackName": "survey",
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


@cache
def role_of(function: str) -> Role:
    """Give the role of a function of the template."""
    resources = TEMPLATE["Resources"]
    role = resources[resources[function]["Properties"]["Role"]["Fn::GetAtt"][0]]["Properties"]
    assert "ManagedPolicyArns" not in role
    return Role(each for policy in role["Policies"] for each in policy["PolicyDocument"]["Statement"])


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
