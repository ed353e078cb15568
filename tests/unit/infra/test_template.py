"""Facts of the template that the product's promises rest on, read from template.yaml itself."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from ledger.limits import INVOCATION_SECONDS
from operations.bootstrap import TRY_SECONDS
from operations.page.files import page_hash
from tests.support.paths import ROOT
from tests.support.template import TEMPLATE

DATA = ("ImagesBucket", "ExportBucket", "Images", "Objects")
FUNCTIONS = {
    "ImageProcessor": "ImageProcessorRole",
    "CsvExporter": "CsvExporterRole",
    "BootstrapFunction": "BootstrapRole",
    "Collector": "CollectorRole",
    "ReplayWorker": "ReplayWorkerRole",
    "ReplayFinisher": "ReplayFinisherRole",
}


@pytest.fixture(scope="module")
def template() -> Mapping[str, Any]:
    return TEMPLATE


def properties(template: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return template["Resources"][name]["Properties"]


def statements(template: Mapping[str, Any], role: str) -> Iterator[tuple[set[str], list[Any]]]:
    """Actions and resources of every statement that a role grants."""
    for policy in properties(template, role)["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow"
            assert set(statement) == {"Effect", "Action", "Resource"}
            actions, resources = statement["Action"], statement["Resource"]
            yield (
                {actions} if isinstance(actions, str) else set(actions),
                resources if isinstance(resources, list) else [resources],
            )


def granted(template: Mapping[str, Any], role: str) -> set[str]:
    return {action for actions, _ in statements(template, role) for action in actions}


def test_the_exporter_cannot_read_a_table(template: Mapping[str, Any]) -> None:
    """It knows what its events say and no more: the stream's actions, on the stream, are all it has of DynamoDB."""
    for actions, resources in statements(template, "CsvExporterRole"):
        of_tables = {action for action in actions if action.startswith("dynamodb:")}
        if of_tables:
            assert of_tables <= {
                "dynamodb:DescribeStream",
                "dynamodb:GetRecords",
                "dynamodb:GetShardIterator",
                "dynamodb:ListStreams",
            }
            assert resources in (
                [{"Fn::GetAtt": ["Images", "StreamArn"]}],
                [{"Fn::Sub": "${Images.Arn}/stream/*"}],
            )


def test_the_exporter_deletes_nothing_but_markers(template: Mapping[str, Any]) -> None:
    """Rows, journal and roots outlive any mistake of its code."""
    for actions, resources in statements(template, "CsvExporterRole"):
        if "s3:DeleteObject" in actions:
            markers = ("pending", "leading", "publishing")
            assert resources == [{"Fn::Sub": f"${{ExportBucket.Arn}}/{folder}/*"} for folder in markers]
    assert "s3:DeleteObjectVersion" not in granted(template, "CsvExporterRole")


@pytest.mark.parametrize("role", FUNCTIONS.values())
def test_no_role_has_a_wildcard_action_or_an_open_resource(template: Mapping[str, Any], role: str) -> None:
    """Every grant names its actions, and a resource of this stack."""
    for actions, resources in statements(template, role):
        assert not {action for action in actions if "*" in action}
        for resource in resources:
            assert isinstance(resource, Mapping), f"{resource} names nothing of this stack"


@pytest.mark.parametrize("role", FUNCTIONS.values())
def test_no_role_may_scan_query_or_administer(template: Mapping[str, Any], role: str) -> None:
    """The forbidden list: what would read a table at large, or change what others may do."""
    forbidden = {"dynamodb:Scan", "dynamodb:Query", "dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"}
    assert not granted(template, role) & forbidden
    assert not {action for action in granted(template, role) if action.startswith(("iam:", "sts:", "lambda:", "kms:"))}


def test_the_processor_only_reads_the_images_bucket(template: Mapping[str, Any]) -> None:
    """It never writes to an object that it was told of, so it cannot trigger itself."""
    assert {action for action in granted(template, "ImageProcessorRole") if action.startswith("s3:")} == {
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:ListBucket",
        "s3:ListBucketVersions",
    }
    assert "ExportBucket" not in str(properties(template, "ImageProcessorRole"))


@pytest.mark.parametrize(("function", "role"), FUNCTIONS.items())
def test_every_function_has_a_role_of_its_own(template: Mapping[str, Any], function: str, role: str) -> None:
    """SAM adds broad managed policies to a function without a role."""
    assert properties(template, function)["Role"] == {"Fn::GetAtt": [role, "Arn"]}
    assert "ManagedPolicyArns" not in properties(template, role)


@pytest.mark.parametrize("name", DATA)
def test_data_is_never_deleted_with_the_stack(template: Mapping[str, Any], name: str) -> None:
    """Only a stack whose first deployment fails takes its own empty tables and buckets away."""
    assert template["Resources"][name]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert template["Resources"][name]["UpdateReplacePolicy"] == "Retain"


@pytest.mark.parametrize("name", ["ImagesBucket", "ExportBucket"])
def test_buckets_are_private_encrypted_and_tls_only(template: Mapping[str, Any], name: str) -> None:
    """And they clear away uploads that nobody finished."""
    bucket = properties(template, name)
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert "BucketEncryption" in bucket
    assert "VersioningConfiguration" not in bucket
    assert any("AbortIncompleteMultipartUpload" in rule for rule in bucket["LifecycleConfiguration"]["Rules"])
    refusal, *others = properties(template, f"{name}Policy")["PolicyDocument"]["Statement"]
    assert all(other.get("Effect") == "Deny" or other["Fn::If"][0] == "Distributed" for other in others)
    assert (refusal["Effect"], refusal["Action"], refusal["Principal"]) == ("Deny", "s3:*", "*")
    assert refusal["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert refusal["Resource"] == [{"Fn::GetAtt": [name, "Arn"]}, {"Fn::Sub": f"${{{name}.Arn}}/*"}]


def test_an_exporter_may_run_as_long_as_its_claims_hold(template: Mapping[str, Any]) -> None:
    """A claim that is older belongs to nobody who lives: were the time-out longer, two would publish at once."""
    assert properties(template, "CsvExporter")["Timeout"] == INVOCATION_SECONDS


def test_nothing_is_public_unless_the_parameter_says_so(template: Mapping[str, Any]) -> None:
    """CloudFront is off by default; on, it reaches what a reader may see and never journal, roots or quarantine."""
    assert template["Parameters"]["Distribution"]["Default"] == "none"
    assert template["Conditions"]["Distributed"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "Distribution"}, "none"]}]}
    for name, resource in template["Resources"].items():
        if resource["Type"].startswith("AWS::CloudFront::"):
            assert resource["Condition"] == "Distributed", name
    *_, grant = properties(template, "ExportBucketPolicy")["PolicyDocument"]["Statement"]
    condition, statement, otherwise = grant["Fn::If"]
    assert (condition, otherwise) == ("Distributed", {"Ref": "AWS::NoValue"})
    assert statement["Action"] == "s3:GetObject"
    assert statement["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert "distribution/${CsvDistribution}" in str(statement["Condition"])
    (reader,) = properties(template, "ReaderPolicy")["PolicyDocument"]["Statement"]
    assert (reader["Effect"], reader["Action"]) == ("Allow", "s3:GetObject")
    assert reader["Resource"] == statement["Resource"]
    assert {resource["Fn::Sub"].removeprefix("${ExportBucket.Arn}/") for resource in reader["Resource"]} == {
        "image-data.csv",
        "image-data.csv-metadata.json",
        "manifest.json",
        "manifest/*",
        "shards/*",
        "index.html",
        "page/*",
    }


def test_a_deployment_uploads_another_page(template: Mapping[str, Any]) -> None:
    """CloudFormation calls the function again when the hash is another one; `infra/generated.py` writes it."""
    assert str(properties(template, "Bootstrap")["Page"]) == page_hash()
    writes = [resources for actions, resources in statements(template, "BootstrapRole") if "s3:PutObject" in actions]
    assert {"Fn::Sub": "${ExportBucket.Arn}/index.html"} in writes[0]
    assert {"Fn::Sub": "${ExportBucket.Arn}/page/*"} in writes[0]


def test_who_writes_to_the_export_bucket_comes_after_bootstrap(template: Mapping[str, Any]) -> None:
    """And so is deleted before it, with stream and schedules: nobody fills the bucket of a rollback again."""
    functions = template["Resources"]
    assert {name for name in FUNCTIONS if "Events" in functions[name]["Properties"]} == {
        "ImageProcessor",
        "CsvExporter",
        "Collector",
    }
    assert functions["CsvExporter"]["DependsOn"] == functions["Collector"]["DependsOn"] == "Bootstrap"


def test_cloudformation_waits_until_bootstrap_has_answered(template: Mapping[str, Any]) -> None:
    """ServiceTimeout begins before the function does, which leaves time for a try and the answer."""
    timeout = properties(template, "BootstrapFunction")["Timeout"]
    assert properties(template, "Bootstrap")["ServiceTimeout"] >= timeout + 60
    assert timeout >= 2 * TRY_SECONDS, "IAM gets as long as a try"


def test_no_lifecycle_rule_deletes_data(template: Mapping[str, Any]) -> None:
    """Journal, shards and photos stay until somebody deletes them; the journal may move to a cheaper class."""
    rules = {
        bucket: [
            rule.get("Fn::If", [None, rule])[1]
            for rule in properties(template, bucket)["LifecycleConfiguration"]["Rules"]
        ]
        for bucket in ("ImagesBucket", "ExportBucket")
    }
    deleting = {rule["Prefix"] for some in rules.values() for rule in some if "Expiration" in str(rule)}
    assert deleting == {"replay/", "table-exports/"}, "what is made anew by the next run"
    (rule,) = [
        rule["Fn::If"]
        for rule in properties(template, "ExportBucket")["LifecycleConfiguration"]["Rules"]
        if "Fn::If" in rule
    ]
    assert rule[0] == "JournalArchived"
    assert rule[1]["Prefix"] == "journal/"
    assert template["Parameters"]["JournalArchiveDays"]["Default"] == 0
    # An archive that has to be restored first would stop a replay.
    assert [move["StorageClass"] for move in rule[1]["Transitions"]] == ["GLACIER_IR"]


def test_traces_are_sent_only_if_asked_for(template: Mapping[str, Any]) -> None:
    """X-Ray's actions know no resources; the policy exists only where tracing is on."""
    policy = template["Resources"]["TracePolicy"]
    assert policy["Condition"] == "Traced"
    (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Action"] == ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
    traced = {role["Ref"] for role in policy["Properties"]["Roles"]}
    assert traced == set(FUNCTIONS.values()), "all functions are traced, so all may send"
    assert template["Globals"]["Function"]["Tracing"] == {"Ref": "Tracing"}


def test_every_kind_of_change_in_the_images_bucket_is_told(template: Mapping[str, Any]) -> None:
    """Removals by lifecycle rules are told by events of their own."""
    told = properties(template, "ImagesBucket")["NotificationConfiguration"]["QueueConfigurations"]
    assert {each["Event"] for each in told} == {
        "s3:ObjectCreated:*",
        "s3:ObjectRemoved:*",
        "s3:LifecycleExpiration:*",
        "s3:ObjectRestore:Completed",
    }
    assert all(each["Queue"] == {"Fn::GetAtt": ["ImageQueue", "Arn"]} for each in told)


def test_a_message_is_hidden_six_times_as_long_as_the_function_may_take(template: Mapping[str, Any]) -> None:
    """AWS asks for that, so that a slow batch is not read by two functions."""
    hidden = properties(template, "ImageQueue")["VisibilityTimeout"]
    assert hidden >= 6 * properties(template, "ImageProcessor")["Timeout"]


def test_dead_letters_are_kept_longer_than_the_queue_keeps_its_messages(template: Mapping[str, Any]) -> None:
    """A message's age counts from its first send, in the dead-letter queue too."""
    queue, dead = properties(template, "ImageQueue"), properties(template, "ImageDeadLetters")
    assert dead["MessageRetentionPeriod"] > queue["MessageRetentionPeriod"]
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": ["ImageDeadLetters", "Arn"]}


def test_the_stream_mapping_loses_nothing(template: Mapping[str, Any]) -> None:
    """From the oldest record on, bounded within the stream's day, with whole batches put aside."""
    mapping = properties(template, "CsvExporter")["Events"]["ImagesStream"]["Properties"]
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["DestinationConfig"] == {"OnFailure": {"Destination": {"Fn::GetAtt": ["ExportBucket", "Arn"]}}}
    parameters = template["Parameters"]
    age = parameters[mapping["MaximumRecordAgeInSeconds"]["Ref"]]
    assert age["MinValue"] >= 60
    assert age["Default"] <= age["MaxValue"] < 24 * 3600
    assert parameters[mapping["MaximumRetryAttempts"]["Ref"]]["MinValue"] >= 1


def test_tables_are_on_demand_recoverable_and_have_a_primary_key_only(template: Mapping[str, Any]) -> None:
    """No index, no capacity to plan; Images streams old and new images, Objects forgets its tombstones."""
    keys = {"Images": "etag", "Objects": "object"}
    for name, key in keys.items():
        table = properties(template, name)
        assert table["BillingMode"] == "PAY_PER_REQUEST"
        assert table["KeySchema"] == [{"AttributeName": key, "KeyType": "HASH"}]
        assert table["AttributeDefinitions"] == [{"AttributeName": key, "AttributeType": "S"}]
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert not {"GlobalSecondaryIndexes", "LocalSecondaryIndexes"} & set(table)
    assert properties(template, "Images")["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert properties(template, "Objects")["TimeToLiveSpecification"] == {
        "AttributeName": "expires_at",
        "Enabled": True,
    }


def test_tables_start_warmer_only_where_somebody_asks_for_it(template: dict[str, Any]) -> None:
    """CloudFormation takes write units without read units; AWS's own start is 4,000 of them."""
    assert template["Parameters"]["TableWarmWriteUnits"]["Default"] == 0
    assert template["Conditions"]["TablesWarmed"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "TableWarmWriteUnits"}, 0]}]}
    warm = {"WriteUnitsPerSecond": {"Ref": "TableWarmWriteUnits"}}
    for table in ("Images", "Objects"):
        assert properties(template, table)["WarmThroughput"] == {
            "Fn::If": ["TablesWarmed", warm, {"Ref": "AWS::NoValue"}]
        }


def test_one_name_for_both_buckets_is_refused(template: Mapping[str, Any]) -> None:
    """In one bucket every export would be taken for an upload. Two made-up names differ by themselves."""
    rule = template["Rules"]["BucketsApart"]
    assert rule["RuleCondition"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "ImagesBucketName"}, ""]}]}
    (assertion,) = rule["Assertions"]
    assert assertion["Assert"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "ImagesBucketName"}, {"Ref": "ExportBucketName"}]}]
    }


def test_every_parameter_has_a_default_and_a_description(template: Mapping[str, Any]) -> None:
    """A first deployment asks nothing that it need not; the console groups all of them."""
    for name, parameter in template["Parameters"].items():
        assert "Default" in parameter, name
        assert parameter["Description"].endswith("."), name
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(template["Parameters"])


def test_the_template_uses_no_yaml_that_cloudformation_lacks() -> None:
    """CloudFormation reads no aliases and no merge keys."""
    lines = (ROOT / "template.yaml").read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if ": &" in line or ": *" in line or "<<:" in line]


def test_no_child_of_a_replay_can_swap_the_root(template: Mapping[str, Any]) -> None:
    """Children write shards and their own leavings; only the last step writes the manifest."""
    writable = {
        str(resource)
        for actions, resources in statements(template, "ReplayWorkerRole")
        if "s3:PutObject" in actions
        for resource in resources
    }
    assert not [resource for resource in writable if "manifest" in resource or "image-data" in resource]
    assert len(writable) == 2
