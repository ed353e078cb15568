"""Every permission of the template's roles, and why some of them are used by no call that a test could see."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from tests.faults.policies import ACCOUNT, ARNS, EXPORT, IMAGES, Role, resolved
from tests.support.template import FOLLOWING, statements_of

ROLES = {
    "ImageProcessorRole": "ImageProcessor",
    "CsvExporterRole": "CsvExporter",
    "CsvPublisherRole": "CsvPublisher",
    "BootstrapRole": "BootstrapFunction",
    "SourcesRole": "SourcesFunction",
    "CollectorRole": "Collector",
    "ReplayWorkerRole": "ReplayWorker",
    "ReplayFinisherRole": "ReplayFinisher",
    "BucketWorkerRole": "BucketWorker",
    "BucketCheckRole": "BucketCheck",
    "ReplayRole": "Replay",  # the state machine: Step Functions calls with it
}


@dataclass(frozen=True, slots=True, order=True)
class Permission:
    """One action on one pattern of resources, as one statement of a role allows it."""

    role: str
    action: str
    resource: str

    def __str__(self) -> str:
        return f"{self.role}: {self.action} on {self.resource}"

    def is_used_by(self, call: tuple[str, str, str]) -> bool:
        """Say whether a call (function, action, resource) uses it."""
        function, action, resource = call
        if (ROLES[self.role], self.action) != (function, action):
            return False
        return Role([{"Effect": "Allow", "Action": self.action, "Resource": self.resource}]).may(action, resource)


def permissions() -> set[Permission]:
    """Take all permissions of all roles from the template."""
    return {
        Permission(role, action, resource)
        for role in ROLES
        for statement in statements_of(role)
        for action in _list(statement["Action"])
        for resource in map(resolved, _list(statement["Resource"]))
    }


def _list(found: Any) -> list[Any]:
    return found if isinstance(found, list) else [found]


_BY_LAMBDA = "Lambda reads the source of events with the function's role"
_LISTS_NOTHING = "without it S3 answers 403 for a version that is not there, where the code needs 404"
_AS_IN_ITS_OWN = "the requests that it sends to the stack's own bucket, where the tests hold them against the role"
_STEP_FUNCTIONS = "Step Functions calls with this role; tests run the state machine without it"

_TRIED_AGAIN = "a step that is tried again finds what it had left before: no test ends it there"
_LARGE_CSV = "only a CSV above 8 MiB, or one that others publish as well, has a claim, or an upload to be abandoned"


def _of_a_state_machine(name: str, *functions: str) -> tuple[str, ...]:
    """Give what a state machine with Distributed Maps is allowed."""
    states = "arn:aws:states:eu-west-1:111122223333"
    return (
        *(f"lambda:InvokeFunction arn:{ACCOUNT}:{function}" for function in functions),
        f"states:StartExecution {states}:stateMachine:survey-{name}",
        *(
            f"states:{action} {states}:execution:survey-{name}/*"
            for action in ("DescribeExecution", "StopExecution", "RedriveExecution")
        ),
        *(
            f"s3:{action} {EXPORT}/{name}/*"
            for action in ("GetObject", "PutObject", "ListMultipartUploadParts", "AbortMultipartUpload")
        ),
    )


_REASONS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("ImageProcessorRole", _BY_LAMBDA): tuple(
        f"sqs:{action} {ARNS[queue]}"
        for queue in ("ImageQueue.Arn", "SeenQueue.Arn")
        for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
    ),
    ("ImageProcessorRole", _AS_IN_ITS_OWN): tuple(
        f"s3:{action} arn:*:s3:::{bucket}{keys}"
        for bucket in FOLLOWING["ExistingBuckets"]
        for action, keys in (
            ("GetObject", "/*"),
            ("GetObjectVersion", "/*"),
            ("ListBucket", ""),
            ("ListBucketVersions", ""),
        )
    ),
    ("ImageProcessorRole", "S3 decrypts what a GET reads with the rights of who asks"): tuple(
        f"kms:Decrypt {key}" for key in FOLLOWING["ImageKeys"]
    ),
    ("ImageProcessorRole", _LISTS_NOTHING): (f"s3:ListBucketVersions {IMAGES}",),
    ("CsvExporterRole", _BY_LAMBDA): (
        *(f"dynamodb:{act} {ARNS['Images.StreamArn']}" for act in ("DescribeStream", "GetRecords", "GetShardIterator")),
        f"dynamodb:ListStreams {ARNS['Images.Arn']}/stream/*",
    ),
    ("CsvExporterRole", "Lambda puts a batch that it gave up on aside with the function's role"): (
        f"s3:PutObject {EXPORT}/aws/lambda/*",
    ),
    ("ReplayFinisherRole", _TRIED_AGAIN): (f"s3:GetObject {EXPORT}/snapshots/*",),
    ("ReplayFinisherRole", _LARGE_CSV): (
        f"s3:AbortMultipartUpload {EXPORT}/image-data.csv",
        f"s3:GetObject {EXPORT}/publishing/*",
        f"s3:DeleteObject {EXPORT}/publishing/*",
    ),
    ("BucketWorkerRole", _AS_IN_ITS_OWN): tuple(
        f"s3:{action} arn:*:s3:::{bucket}{keys}"
        for bucket in FOLLOWING["ExistingBuckets"]
        for action, keys in (("GetObject", "/*"), ("ListBucket", ""))
    ),
    ("ReplayRole", _STEP_FUNCTIONS): (
        *_of_a_state_machine("replay", "ReplayWorker", "ReplayFinisher"),
        f"s3:ListBucket {EXPORT}",
    ),
    ("BucketCheckRole", _STEP_FUNCTIONS): _of_a_state_machine("bucket-check", "BucketWorker"),
}
_LOGS = {
    "ImageProcessorRole": "ImageProcessorLogs",
    "CsvExporterRole": "CsvExporterLogs",
    "CsvPublisherRole": "CsvPublisherLogs",
    "BootstrapRole": "BootstrapLogs",
    "SourcesRole": "SourcesLogs",
    "CollectorRole": "CollectorLogs",
    "ReplayWorkerRole": "ReplayLogs",
    "ReplayFinisherRole": "ReplayLogs",
    "BucketWorkerRole": "BucketCheckLogs",
}


def reasons() -> dict[Permission, str]:
    """Give every permission that no recorded call uses, with the reason why it stands in the template."""
    found = {
        Permission(role, *permission.split(" ", 1)): reason
        for (role, reason), some in _REASONS.items()
        for permission in some
    }
    for role, logs in _LOGS.items():
        for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
            found[Permission(role, action, f"arn:{ACCOUNT}:{logs}")] = "Lambda writes the log with the function's role"
    return found


def verdict(
    calls: Collection[tuple[str, str, str]], allowed: Collection[Permission], excused: Mapping[Permission, str]
) -> list[str]:
    """Name what a role allows for nothing, and each reason that is none (any longer).

    Args:
        calls: function, action and resource of all that was recorded.
        allowed: all permissions of all roles.
        excused: those that no call uses, with the reason.
    """
    used = {permission for permission in allowed if any(map(permission.is_used_by, calls))}
    faults = [f"nothing uses {permission}" for permission in sorted({*allowed} - used - excused.keys())]
    faults += [f"it is used, so it needs no reason: {permission}" for permission in sorted(excused.keys() & used)]
    faults += [f"no role has what stands with a reason: {each}" for each in sorted(excused.keys() - {*allowed})]
    return faults
