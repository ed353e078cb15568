"""No function may do one thing of a list of what would be bad; and Lambda may do with a role what it does itself.

That each function may do what its code does, and no more, is seen in all tests: `tests.support.calls`.
"""

import pytest

from infra.doubles.fault_store import ANSWERS
from ledger import keys
from tests.faults.policies import (
    ARNS,
    ASKED,
    BLIND,
    DELETE,
    EXPORT,
    IMAGES,
    MATCHED,
    NEW,
    PART,
    PUT,
    TLS,
    BucketPolicy,
    Role,
    export_policy,
    role_of,
)
from tests.support.bucket_keys import keys_spelt

IMAGES_TABLE, OBJECTS_TABLE = ARNS["Images.Arn"], ARNS["Objects.Arn"]
STREAM = ARNS["Images.StreamArn"]
TABLE_READS = ("dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:PartiQLSelect")
TABLE_WRITES = ("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem")
BUCKET_POWERS = (
    "s3:DeleteBucket",
    "s3:PutBucketPolicy",
    "s3:PutLifecycleConfiguration",
    "s3:PutBucketVersioning",
    "s3:PutBucketAcl",
)
OBJECT_POWERS = ("s3:DeleteObjectVersion", "s3:PutObjectAcl", "s3:BypassGovernanceRetention", "s3:PutObjectTagging")

_OF_THE_LEDGER = ("image-data.csv", "manifest.json", "shards/x.csv", "manifest/x.json", "roots/1-x.json", "journal/x")


def _forbidden(function: str) -> list[tuple[str, str]]:
    """What a mistake or an intruder in this function must not be able to do."""
    everywhere = [(action, bucket) for action in BUCKET_POWERS for bucket in (IMAGES, EXPORT)]
    everywhere += [(action, f"{bucket}/shards/x.csv") for action in OBJECT_POWERS for bucket in (IMAGES, EXPORT)]
    everywhere += [(action, table) for action in TABLE_READS[1:] for table in (IMAGES_TABLE, OBJECTS_TABLE)]
    everywhere += [
        ("dynamodb:DeleteTable", IMAGES_TABLE),
        ("dynamodb:UpdateTable", IMAGES_TABLE),
        ("dynamodb:ExportTableToPointInTime", IMAGES_TABLE),
        ("iam:PassRole", "arn:aws:iam::111122223333:role/any"),
        ("sts:AssumeRole", "arn:aws:iam::111122223333:role/any"),
        ("lambda:UpdateFunctionCode", "arn:aws:lambda:eu-west-1:111122223333:function:any"),
        ("lambda:InvokeFunction", "arn:aws:lambda:eu-west-1:111122223333:function:any"),
        ("sqs:SendMessage", ARNS["ImageQueue.Arn"]),
        ("sqs:PurgeQueue", ARNS["ImageQueue.Arn"]),
        ("s3:DeleteObject", f"{IMAGES}/site/1.jpg"),
        ("s3:PutObject", f"{IMAGES}/site/1.jpg"),
        ("s3:DeleteObject", f"{EXPORT}/journal/date=2026-11-25/hour=08/1.jsonl.gz"),
        ("s3:DeleteObject", f"{EXPORT}/quarantine/date=2026-11-25/1.json"),
        ("s3:DeleteObject", f"{EXPORT}/snapshots/monday.json"),
        ("s3:DeleteObject", f"{EXPORT}/{keys.SYMLINKS_KEY}"),
        ("s3:DeleteObject", f"{EXPORT}/aws/lambda/id/batch"),
        ("s3:GetObject", "arn:aws:s3:::somebody-elses/key"),
        ("kms:Decrypt", "arn:aws:kms:eu-west-1:111122223333:key/any"),
        ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:any"),
        ("ssm:GetParameter", "arn:aws:ssm:eu-west-1:111122223333:parameter/any"),
    ]
    tables = (IMAGES_TABLE, OBJECTS_TABLE)
    of_tables = [(action, table) for action in (*TABLE_READS, *TABLE_WRITES) for table in tables]
    of_images = [("s3:GetObject", f"{IMAGES}/site/1.jpg"), ("s3:ListBucket", IMAGES)]
    no_deletion = [
        ("s3:DeleteObject", f"{EXPORT}/{key}") for key in ("shards/x.csv", "manifest/x.json", "roots/1-x.json")
    ]
    # Bootstrap alone may delete them: a first deployment that is rolled back leaves its bucket empty. By its code it
    # does so only while no commit was ever made, and under If-Match.
    no_root = [("s3:DeleteObject", f"{EXPORT}/{key}") for key in ("image-data.csv", "manifest.json", "index.html")]
    if function != "BootstrapFunction":
        everywhere += no_root
    own = {
        "ImageProcessor": [
            ("s3:GetObject", f"{EXPORT}/image-data.csv"),
            ("s3:PutObject", f"{EXPORT}/manifest.json"),
            ("dynamodb:DeleteItem", OBJECTS_TABLE),
            ("dynamodb:GetRecords", STREAM),
        ],
        "CsvExporter": [
            *of_tables,
            *of_images,
            *no_deletion,
            ("s3:PutObject", f"{EXPORT}/snapshots/monday.json"),
            ("s3:PutObject", f"{EXPORT}/{keys.SYMLINKS_KEY}"),
        ],
        "BootstrapFunction": [
            *of_tables,
            *of_images,
            *no_deletion,
            ("s3:PutObject", f"{EXPORT}/shards/x.csv"),
            ("s3:PutObject", f"{EXPORT}/journal/x"),
            ("s3:PutObject", f"{EXPORT}/roots/1-x.json"),
            ("s3:DeleteObject", f"{EXPORT}/collecting.json"),
            ("dynamodb:GetRecords", STREAM),
        ],
        "Collector": [
            *of_tables,
            *of_images,
            ("s3:PutObject", f"{EXPORT}/{keys.SYMLINKS_KEY}"),
            ("s3:PutObject", f"{EXPORT}/image-data.csv"),
            ("s3:PutObject", f"{EXPORT}/journal/x"),
            ("s3:GetObject", f"{EXPORT}/journal/x"),
            ("s3:PutObject", f"{EXPORT}/snapshots/monday.json"),
            ("dynamodb:GetRecords", STREAM),
        ],
        "BucketWorker": [
            *((action, table) for action in TABLE_WRITES for table in tables),
            *((f"s3:{verb}Object", f"{EXPORT}/{key}") for verb in ("Put", "Delete") for key in _OF_THE_LEDGER),
            ("s3:GetObject", f"{EXPORT}/journal/x"),
            ("dynamodb:GetRecords", STREAM),
        ],
        "SourcesFunction": [
            *of_tables,
            *of_images,
            *((f"s3:{verb}Object", f"{EXPORT}/{key}") for verb in ("Get", "Put", "Delete") for key in _OF_THE_LEDGER),
            ("s3:PutBucketNotification", EXPORT),
            ("s3:PutBucketNotification", "arn:aws:s3:::somebody-elses"),
            ("dynamodb:GetRecords", STREAM),
        ],
    }
    return everywhere + own.get(function, [*of_tables, *of_images])


@pytest.mark.parametrize(
    "function",
    [
        *("ImageProcessor", "CsvExporter", "BootstrapFunction", "SourcesFunction", "Collector"),
        *("ReplayWorker", "ReplayFinisher", "BucketWorker"),
    ],
)
def test_no_function_may_do_what_would_be_bad(function: str) -> None:
    """Least privilege, by evaluation and not by reading."""
    role = role_of(function)
    assert [pair for pair in _forbidden(function) if role.may(*pair)] == []


def test_the_processor_may_take_messages_of_its_queue() -> None:
    """Lambda reads the queue with the function's own role."""
    role, queue = role_of("ImageProcessor"), ARNS["ImageQueue.Arn"]
    assert all(role.may(f"sqs:{action}", queue) for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes"))


def test_the_exporter_may_read_its_stream_and_put_failed_batches_aside() -> None:
    """Lambda reads the stream and writes the failed batch with the function's own role."""
    role = role_of("CsvExporter")
    assert all(
        role.may(f"dynamodb:{action}", STREAM)
        for action in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")
    )
    assert role.may("s3:PutObject", f"{EXPORT}/aws/lambda/id/shard/2026/11/25/batch")
    assert role.may("s3:ListBucket", EXPORT)


# Every key and prefix of the export bucket, by who may put other bytes where some are.
WRITTEN_ONCE = {keys.JOURNAL, keys.QUARANTINE, keys.FORGOTTEN, keys.PENDING, keys.LEADING, keys.PUBLISHING}
REPLACED = {
    *(
        keys.ROOT_KEY,
        keys.CSV_KEY,
        keys.DESCRIPTION_KEY,
        keys.ANNOUNCED_KEY,
        keys.COLLECTING_KEY,
        keys.FORGETTING_KEY,
        keys.LAST_CHECK_KEY,
        keys.PAGE_INDEX_KEY,
        keys.PAGE_CONFIG_KEY,
        keys.SYMLINKS_KEY,
        keys.COPY_MANIFEST_KEY,
    ),
    *(keys.ENGINES, keys.ROOT_COPIES, keys.PAGES, keys.SHARDS, keys.SNAPSHOTS, keys.PAGE_FILES),
}
BY_AWS_ITSELF = {keys.BUCKET_CHECKS, keys.FAILED_BATCHES, keys.REPLAYS, keys.TABLE_EXPORTS}


def _put_denials(key: str) -> list[str | None]:
    """What denies a request that puts blindly, under If-Match, as new, a part; and one that deletes."""
    resource = f"{EXPORT}/{key}x" if key.endswith("/") else f"{EXPORT}/{key}"
    puts = [export_policy().denial(PUT, resource, context) for context in (BLIND, MATCHED, NEW, PART)]
    return [*puts, export_policy().denial(DELETE, resource, TLS)]


def test_every_key_of_the_export_bucket_is_one_that_the_policy_speaks_of_or_is_written_by_aws() -> None:
    """A new prefix is written once, or replaced by those who saw what was there, or has a reason why not."""
    assert keys_spelt() == WRITTEN_ONCE | REPLACED | BY_AWS_ITSELF


@pytest.mark.parametrize("key", sorted(WRITTEN_ONCE))
def test_what_stands_in_the_journal_can_only_be_deleted(key: str) -> None:
    """No role and no operator gives a segment, a quarantined event, a proof or a claim other bytes."""
    assert _put_denials(key) == ["WriteOnce", "WriteOnce", None, None, None]


@pytest.mark.parametrize("key", sorted(REPLACED))
def test_nothing_of_the_ledger_is_overwritten_blindly(key: str) -> None:
    """Who replaces something names the ETag that he saw; a touch of a shard does that as well."""
    assert _put_denials(key) == ["NoBlindOverwrite", None, None, None, None]


@pytest.mark.parametrize("key", sorted(BY_AWS_ITSELF))
def test_what_aws_writes_by_itself_needs_no_condition(key: str) -> None:
    """Lambda, Step Functions and DynamoDB put batches, results and exports there, as they please."""
    assert _put_denials(key) == [None] * 5


def test_plain_http_is_denied_whatever_is_asked_for() -> None:
    """To everybody, readers as well."""
    plain = {"aws:SecureTransport": "false"}
    for resource in (EXPORT, f"{EXPORT}/image-data.csv"):
        assert export_policy().denial("s3:GetObject", resource, plain) == "TlsOnly"
        assert export_policy().denial("s3:GetObject", resource, TLS) is None


def test_the_evaluator_of_conditions_wants_all_of_them() -> None:
    """`Null` asks for absence; an absent key is no `Bool`; a statement for somebody, or that allows, denies nothing."""
    statement = {
        "Sid": "Known",
        "Effect": "Deny",
        "Principal": "*",
        "Action": PUT,
        "Resource": f"{EXPORT}/journal/*",
        "Condition": {"Null": {"a": "true", "b": "false"}, "Bool": {"c": "true"}},
    }
    asked = (PUT, f"{EXPORT}/journal/x")
    policy = BucketPolicy([statement])
    assert policy.denial(*asked, {"b": "", "c": "true"}) == "Known"
    for context in ({"c": "true"}, {"a": "", "b": "", "c": "true"}, {"b": ""}, {"b": "", "c": "false"}):
        assert policy.denial(*asked, context) is None
    assert policy.denial(PUT, f"{EXPORT}/journals/x", {"b": "", "c": "true"}) is None
    assert policy.denial(DELETE, f"{EXPORT}/journal/x", {"b": "", "c": "true"}) is None
    for other in ({"Effect": "Allow"}, {"Principal": {"AWS": "arn:aws:iam::111122223333:role/any"}}):
        assert BucketPolicy([statement | other]).denial(*asked, {"b": "", "c": "true"}) is None


def test_the_evaluator_knows_wildcards_and_refuses_the_rest() -> None:
    """Action and resource must match in one and the same statement."""
    role = Role(
        [
            {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::export/roots/*"},
            {
                "Effect": "Allow",
                "Action": ["s3:PutObject"],
                "Resource": {"Fn::Sub": "${ExportBucket.Arn}/manifest.json"},
            },
        ]
    )
    assert role.may("s3:GetObject", "arn:aws:s3:::export/roots/1-a.json")
    assert not role.may("s3:PutObject", "arn:aws:s3:::export/roots/1-a.json")
    assert not role.may("s3:GetObject", "arn:aws:s3:::export/manifest.json")
    assert not role.may("s3:PutObject", "arn:aws:s3:::export/manifestXjson")


def test_every_verb_of_the_store_has_its_actions() -> None:
    """So that a new verb cannot slip through."""
    assert {*ASKED, "list"} == set(ANSWERS) - {"invoke"}
