"""What a request asks of IAM: actions, and resources of the made-up stack of `tests.faults.policies`.

Sources: "Policy actions for Amazon S3", "Conditional writes", "Conditional deletes" (S3 User Guide: If-Match asks for
s3:GetObject beside the write, If-None-Match does not); API reference, GetObject (a version asks for
s3:GetObjectVersion instead); "Using IAM with DynamoDB transactions" (DynamoDB Developer Guide: each item of a
transaction asks for the action of its own). What a bucket's policy can see of a request: "Enforce conditional writes on
Amazon S3 buckets" (S3 User Guide).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.faults.policies import (
    ARNS,
    ASKED,
    BLIND,
    BUS,
    DELETE,
    EXPORT,
    GET,
    IMAGES,
    MATCHED,
    NEW,
    PART,
    PUT,
    TLS,
    Context,
)

Asked = tuple[str, str]

_VERSION = "s3:GetObjectVersion"
_ITEM_ACTIONS = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}
_WRITES = {
    "PutObject": PUT,
    "DeleteObject": DELETE,
    "CreateMultipartUpload": PUT,
    "UploadPart": PUT,
    "CompleteMultipartUpload": PUT,
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
}
_OF_ONE: Mapping[str, Callable[[Mapping[str, Any]], Asked]] = {
    # "Actions, resources, and condition keys for Amazon S3" (Service Authorization Reference)
    "HeadBucket": lambda of: ("s3:ListBucket", f"arn:aws:s3:::{of['Bucket']}"),
    "GetBucketNotificationConfiguration": lambda of: ("s3:GetBucketNotification", f"arn:aws:s3:::{of['Bucket']}"),
    "PutBucketNotificationConfiguration": lambda of: ("s3:PutBucketNotification", f"arn:aws:s3:::{of['Bucket']}"),
    # "Requesting a table export in DynamoDB" (DynamoDB Developer Guide); an export is a resource below its table.
    "GetItem": lambda of: ("dynamodb:GetItem", _table(of["TableName"])),
    "DescribeTable": lambda of: ("dynamodb:DescribeTable", _table(of["TableName"])),
    "DescribeExport": lambda of: ("dynamodb:DescribeExport", of["ExportArn"]),
    "Invoke": lambda of: ("lambda:InvokeFunction", ARNS["CsvPublisher.Arn"]),
    "PutEvents": lambda of: ("events:PutEvents", BUS),
    "SendMessageBatch": lambda of: ("sqs:SendMessage", ARNS["SeenQueue.Arn"]),
    "DescribeStackResource": lambda of: ("cloudformation:DescribeStackResource", of["StackName"]),
    "DescribeStacks": lambda of: ("cloudformation:DescribeStacks", of["StackName"]),
}
_CREATING = {"PutObject", "CompleteMultipartUpload", "CopyObject"}
_OF_PARTS = {"CreateMultipartUpload", "UploadPart", "UploadPartCopy"}


class UnknownRequest(Exception):
    """A function sends a request of which it is not known what it asks for: this module must learn it."""


def shape(key: str) -> str:
    """Give a key that stands for all keys that the roles do not tell apart: they name whole keys, or a first folder."""
    folder, slash, rest = key.partition("/")
    if folder == "aws":
        return "aws/lambda/x" if rest.startswith("lambda/") else "aws/x"
    return f"{folder}/x" if slash else key


def of_verb(verb: str, key: str, *, if_match: bool) -> Iterator[Asked]:
    """Say what a verb of the ledger's store asks for.

    Args:
        verb: of `ledger.store.Store`.
        key: of the object.
        if_match: the request is conditional on an ETag.
    """
    if verb == "list":
        yield "s3:ListBucket", EXPORT
        return
    actions = ASKED["get" if verb == "get_if_changed" else verb]
    for action in actions:
        if if_match or action != GET or len(actions) == 1 or verb == "copy_part":
            yield action, f"{EXPORT}/{key}"


def context_of_verb(verb: str, *, if_match: bool) -> Context:
    """Say what a bucket's policy sees of a verb of the ledger's store."""
    if verb in ("start_upload", "upload_part", "copy_part"):
        return PART
    if verb in ("put_if_match", "finish_upload"):
        return MATCHED if if_match else NEW
    return NEW if verb == "put_new" else TLS


def context_of_operation(operation: str, parameters: Mapping[str, Any]) -> Context:
    """Say what a bucket's policy sees of a request of boto3."""
    if operation in _CREATING:
        return NEW if parameters.get("IfNoneMatch") else MATCHED if parameters.get("IfMatch") else BLIND
    return PART if operation in _OF_PARTS else TLS


def of_operation(function: str, operation: str, parameters: Mapping[str, Any]) -> Iterator[Asked]:
    """Say what a request of boto3 asks for.

    Buckets and tables have other names in each test: whose they are follows from the function, and from the table's.

    Raises:
        UnknownRequest: nobody has said so yet.
    """
    bucket = IMAGES if function in ("ImageProcessor", "BucketWorker") else EXPORT  # the ledger's store has verbs
    if operation in ("GetObject", "HeadObject"):
        yield (_VERSION if parameters.get("VersionId") else GET), _object(bucket, parameters["Key"])
    elif operation in _WRITES:
        yield _WRITES[operation], _object(bucket, parameters["Key"])
        if parameters.get("IfMatch"):
            yield GET, _object(bucket, parameters["Key"])
    elif operation in ("UploadPartCopy", "CopyObject"):
        yield PUT, _object(bucket, parameters["Key"])
        yield GET, _object(bucket, parameters["CopySource"]["Key"])
    elif operation == "DeleteObjects":
        for one in parameters["Delete"]["Objects"]:
            yield DELETE, _object(bucket, one["Key"])
    elif operation == "ListObjectsV2":
        yield "s3:ListBucket", bucket
    elif operation in _OF_ONE:
        yield _OF_ONE[operation](parameters)
    elif operation == "ExportTableToPointInTime":
        yield from _of_export(parameters)
    elif operation == "TransactWriteItems":
        for item in parameters["TransactItems"]:
            ((kind, write),) = item.items()
            yield f"dynamodb:{_ITEM_ACTIONS[kind]}", _table(write["TableName"])
    else:
        raise UnknownRequest(operation)


def _of_export(parameters: Mapping[str, Any]) -> Iterator[Asked]:
    """Say what an export asks for: it writes with the rights of who asks for it."""
    yield "dynamodb:ExportTableToPointInTime", _table(parameters["TableArn"])
    for action in (PUT, "s3:PutObjectAcl", "s3:AbortMultipartUpload"):
        yield action, f"{EXPORT}/{parameters['S3Prefix']}/x"


def _object(bucket: str, key: str) -> str:
    return f"{bucket}/{shape(key)}"


def _table(name: str) -> str:
    return ARNS["Objects.Arn" if "objects" in name.lower() else "Images.Arn"]
