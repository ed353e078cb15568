"""The two buckets and the two tables: who reaches them, what goes and what stays, and when S3 tells of a change."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from image_processor.catalog.decision import decide
from image_processor.catalog.facts import Absent, Items, Put, Ref, Table
from infra.doubles.processors import BEGIN
from ledger.keys import BUCKET_CHECKS, JOURNAL, LAST_CHECK_KEY, REPLAYS, TABLE_EXPORTS
from ledger.limits import INVOCATION_SECONDS
from operations.replay.local import RESUMABLE_SECONDS
from operations.table_export.backfill import OLDEST
from tests.support.paths import ROOT
from tests.support.template import TEMPLATE, parameter, properties, refused_by, stack

BUCKETS = ("ImagesBucket", "ExportBucket")
TABLES = {"Images": "etag", "Objects": "object"}
DESIGN = (ROOT / "functions" / "README.md").read_text(encoding="utf-8")
DAY = 24 * 3600


def rules_of(bucket: str, **given: Any) -> dict[str, Mapping[str, Any]]:
    """Give a bucket's lifecycle rules by their ids, each of which has to be in force."""
    rules = stack(**given)[bucket]["Properties"]["LifecycleConfiguration"]["Rules"]
    assert {rule["Status"] for rule in rules} == {"Enabled"}
    return {rule["Id"]: {name: rule[name] for name in rule if name not in ("Id", "Status")} for rule in rules}


@pytest.mark.parametrize("name", [*BUCKETS, *TABLES])
def test_data_is_never_deleted_with_the_stack(name: str) -> None:
    """Only a stack whose first deployment fails takes its own empty tables and buckets away."""
    assert TEMPLATE["Resources"][name]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert TEMPLATE["Resources"][name]["UpdateReplacePolicy"] == "Retain"


@pytest.mark.parametrize("name", BUCKETS)
def test_buckets_are_private_encrypted_and_tls_only(name: str) -> None:
    """With S3's own keys: by another's a CloudFront without them reads nothing, and no ETag is an MD5.

    Whatever is in them belongs to the account, whoever wrote it, and no access list speaks for it. Without versions:
    each publish would keep a whole CSV, and each removal its photo.
    """
    bucket = properties(name)
    told = {"NotificationConfiguration"} if name == "ImagesBucket" else set()
    assert set(bucket) - told == {
        "BucketName",
        "BucketEncryption",
        "OwnershipControls",
        "PublicAccessBlockConfiguration",
        "LifecycleConfiguration",
    }
    access = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    assert bucket["PublicAccessBlockConfiguration"] == dict.fromkeys(access, True)
    assert bucket["BucketEncryption"] == {
        "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
    }
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    policy = properties(f"{name}Policy")
    assert policy["Bucket"] == {"Ref": name}
    refusal, *others = policy["PolicyDocument"]["Statement"]
    assert all(other.get("Effect") == "Deny" or other["Fn::If"][0] == "Distributed" for other in others)
    assert (refusal["Effect"], refusal["Action"], refusal["Principal"]) == ("Deny", "s3:*", "*")
    assert refusal["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert refusal["Resource"] == [{"Fn::GetAtt": [name, "Arn"]}, {"Fn::Sub": f"${{{name}.Arn}}/*"}]


def test_each_bucket_has_the_name_that_was_given_and_never_that_of_the_other() -> None:
    """Without one CloudFormation makes a name up. In one bucket every export would be taken for an upload."""
    for given in ({}, {"ImagesBucketName": "photos"}, {"ExportBucketName": "csv"}):
        made = stack(**given)
        for name in BUCKETS:
            assert made[name]["Properties"].get("BucketName") == given.get(f"{name}Name")
    assert refused_by() == []
    assert refused_by(ImagesBucketName="photos", ExportBucketName="csv") == []
    assert refused_by(ImagesBucketName="photos", ExportBucketName="photos") == ["BucketsApart"]
    assert parameter("ImagesBucketName")["AllowedPattern"] == parameter("ExportBucketName")["AllowedPattern"]


def test_every_kind_of_change_in_the_images_bucket_is_told() -> None:
    """Of every key, whatever its ending, for contents decide; removals by lifecycle rules have events of their own.

    S3 tries the queue when the notification is set, so the queue's policy has to be there before.
    """
    assert properties("ImagesBucket")["NotificationConfiguration"] == {
        "QueueConfigurations": [
            {"Event": event, "Queue": {"Fn::GetAtt": ["ImageQueue", "Arn"]}}
            for event in (
                "s3:ObjectCreated:*",
                "s3:ObjectRemoved:*",
                "s3:LifecycleExpiration:*",
                "s3:ObjectRestore:Completed",
            )
        ]
    }
    assert TEMPLATE["Resources"]["ImagesBucket"]["DependsOn"] == "ImageQueuePolicy"


def test_no_lifecycle_rule_deletes_data() -> None:
    """Journal, shards and photos stay until somebody deletes them; what goes is made anew by the next run."""
    assert set(rules_of("ImagesBucket")) == {"AbortIncompleteUploads"}
    assert set(rules_of("ExportBucket")) == {
        "AbortIncompleteUploads",
        "ForgetInterruptedReplays",
        "ForgetBucketChecks",
        "ForgetTableExports",
    }


@pytest.mark.parametrize("name", BUCKETS)
def test_uploads_that_nobody_completed_go(name: str) -> None:
    """Anywhere in the bucket; an upload of ours is over with its invocation, and people have a week for theirs."""
    days = {"ImagesBucket": range(2, 8), "ExportBucket": [1]}[name]
    rule = rules_of(name)["AbortIncompleteUploads"]
    assert set(rule) == {"AbortIncompleteMultipartUpload"}, "no prefix"
    assert rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] in days
    assert INVOCATION_SECONDS < DAY


def test_leavings_of_replays_and_table_exports_go_when_nobody_can_need_them() -> None:
    """After days as the design says them; a rebuild is gone on with, and an export taken, only while it is young."""
    replays, exports = (
        rules_of("ExportBucket")["ForgetInterruptedReplays"],
        rules_of("ExportBucket")["ForgetTableExports"],
    )
    assert (replays["Prefix"], exports["Prefix"]) == (REPLAYS, TABLE_EXPORTS)
    told = f"| after {replays['ExpirationInDays']}, {replays['ExpirationInDays']}, {exports['ExpirationInDays']} days |"
    (line,) = [
        line
        for line in DESIGN.splitlines()
        if line.startswith("| `replay/<execution>/`, `bucket-check/<execution>/`, `table-exports/` |")
    ]
    assert line.endswith(told)
    checks = rules_of("ExportBucket")["ForgetBucketChecks"]
    assert checks == {"Prefix": BUCKET_CHECKS, "ExpirationInDays": replays["ExpirationInDays"]}
    assert not LAST_CHECK_KEY.startswith(BUCKET_CHECKS), "the last result stays until the next"
    assert timedelta(days=replays["ExpirationInDays"]) > 2 * timedelta(seconds=RESUMABLE_SECONDS)
    assert timedelta(days=exports["ExpirationInDays"]) > 2 * OLDEST


def test_the_journal_is_archived_only_if_asked_for_and_where_replays_read_it() -> None:
    """An archive that has to be restored first would stop a replay."""
    assert parameter("JournalArchiveDays")["Default"] == 0
    assert rules_of("ExportBucket", JournalArchiveDays=90)["ArchiveJournal"] == {
        "Prefix": JOURNAL,
        "Transitions": [{"StorageClass": "GLACIER_IR", "TransitionInDays": 90}],
    }


def test_tables_are_on_demand_recoverable_and_have_a_primary_key_only() -> None:
    """No index, no capacity to plan, and no name, so that a second stack finds its own.

    Images streams old and new images: a removal is known by the old one. Its rows never expire.
    """
    for name, key in TABLES.items():
        table = properties(name)
        assert set(table) - {"StreamSpecification", "TimeToLiveSpecification"} == {
            "BillingMode",
            "AttributeDefinitions",
            "KeySchema",
            "WarmThroughput",
            "PointInTimeRecoverySpecification",
        }
        assert table["BillingMode"] == "PAY_PER_REQUEST"
        assert table["KeySchema"] == [{"AttributeName": key, "KeyType": "HASH"}]
        assert table["AttributeDefinitions"] == [{"AttributeName": key, "AttributeType": "S"}]
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties("Images")["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert "TimeToLiveSpecification" not in properties("Images")
    assert "StreamSpecification" not in properties("Objects")


def test_tombstones_expire_by_the_attribute_that_they_carry() -> None:
    """By another name none would ever leave, and a function may not delete them."""
    fact = Absent("photos", "a.jpg", "5")
    (put,) = decide(fact, Items({Ref(Table.OBJECTS, fact.object): None}), BEGIN).writes
    assert isinstance(put, Put)
    expiring = properties("Objects")["TimeToLiveSpecification"]
    assert expiring["Enabled"] is True
    assert put.item[expiring["AttributeName"]].keys() == {"N"}, "seconds since 1970, as DynamoDB wants them"


def test_tables_start_warmer_only_where_somebody_asks_for_it() -> None:
    """CloudFormation takes write units without read units; AWS's own start is 4,000 of them."""
    for table in TABLES:
        assert "WarmThroughput" not in stack()[table]["Properties"]
        warm = stack(TableWarmWriteUnits=12000)[table]["Properties"]["WarmThroughput"]
        assert warm == {"WriteUnitsPerSecond": 12000}
