"""What roles grant, and what the template shows to who deploys and operates."""

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest

from csv_exporter.announce import DETAIL_TYPE, SOURCE
from operations.cli.status import QUEUES
from operations.page.files import page_hash
from tests.support.paths import ROOT
from tests.support.template import FOLLOWING, FUNCTIONS, TEMPLATE, parameter, properties, stack, statements_of


def statements(role: str) -> Iterator[tuple[set[str], list[Any]]]:
    """Actions and resources of every statement that a role grants."""
    for statement in statements_of(role):
        assert statement["Effect"] == "Allow"
        assert set(statement) - {"Condition"} == {"Effect", "Action", "Resource"}
        actions, resources = statement["Action"], statement["Resource"]
        yield (
            {actions} if isinstance(actions, str) else set(actions),
            resources if isinstance(resources, list) else [resources],
        )


def granted(role: str) -> set[str]:
    return {action for actions, _ in statements(role) for action in actions}


def test_the_exporter_cannot_read_a_table() -> None:
    """It knows what its events say and no more: the stream's actions, on the stream, are all it has of DynamoDB."""
    for actions, resources in statements("CsvExporterRole"):
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


def test_the_exporter_deletes_nothing_but_markers() -> None:
    """Rows, journal and roots outlive any mistake of its code."""
    for actions, resources in statements("CsvExporterRole"):
        if "s3:DeleteObject" in actions:
            markers = ("pending", "leading", "publishing")
            assert resources == [{"Fn::Sub": f"${{ExportBucket.Arn}}/{folder}/*"} for folder in markers]
    assert "s3:DeleteObjectVersion" not in granted("CsvExporterRole")


@pytest.mark.parametrize("role", FUNCTIONS.values())
def test_no_role_has_a_wildcard_action_or_an_open_resource(role: str) -> None:
    """Every grant names its actions, and a resource of this stack, or a bucket or key that its parameters name."""
    named = {f"arn:*:s3:::{bucket}{keys}" for bucket in FOLLOWING["ExistingBuckets"] for keys in ("", "/*")}
    for actions, resources in statements(role):
        assert not {action for action in actions if "*" in action}
        for resource in resources:
            known = isinstance(resource, dict) or resource in named | {*FOLLOWING["ImageKeys"]}
            assert known, f"{resource} names nothing of this stack"


@pytest.mark.parametrize("role", FUNCTIONS.values())
def test_no_role_may_scan_query_or_administer(role: str) -> None:
    """The forbidden list: what would read a table at large, or change what others may do."""
    forbidden = {"dynamodb:Scan", "dynamodb:Query", "dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"}
    assert not granted(role) & forbidden
    announcing = {"events:PutEvents"} if role in ("CsvExporterRole", "CsvPublisherRole") else set()
    assert {action for action in granted(role) if action.startswith("events:")} == announcing
    calling = {"lambda:InvokeFunction"} if role == "CsvExporterRole" else set()
    assert {action for action in granted(role) if action.startswith(("iam:", "sts:", "lambda:"))} == calling
    decrypting = {"kms:Decrypt"} if role == "ImageProcessorRole" else set()
    assert {action for action in granted(role) if action.startswith("kms:")} == decrypting


def test_who_publishes_may_say_so_and_send_no_other_event() -> None:
    """On the one bus, as the one source (IAM condition keys of EventBridge); nothing where there is no bus."""
    for role in ("CsvExporterRole", "CsvPublisherRole"):
        (sending,) = [one for one in statements_of(role) if one["Action"] == "events:PutEvents"]
        assert sending["Resource"]["Fn::Sub"].endswith(":event-bus/${PublishEventBus}")
        assert sending["Condition"] == {"StringEquals": {"events:source": SOURCE, "events:detail-type": DETAIL_TYPE}}
        policies = stack()[role]["Properties"]["Policies"]
        assert "announce-csv" not in {policy["PolicyName"] for policy in policies}
    assert "EventsUnsent" not in stack()


def test_a_bus_has_a_name_or_is_none() -> None:
    """A partner's has slashes (API_PutEvents, "EventBusName"); an ARN would become part of an ARN."""
    takes = re.compile(parameter("PublishEventBus")["AllowedPattern"]).search
    assert all(map(takes, ("", "default", "aws.partner/example.com/1", "a-b_c")))
    assert not any(map(takes, ("arn:aws:events:eu-west-1:111122223333:event-bus/x", "a b", "*")))


def test_the_processor_only_reads_the_images_bucket() -> None:
    """It never writes to an object that it was told of, so it cannot trigger itself."""
    assert {action for action in granted("ImageProcessorRole") if action.startswith("s3:")} == {
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:ListBucket",
        "s3:ListBucketVersions",
    }
    assert "ExportBucket" not in str(properties("ImageProcessorRole"))


def test_a_deployment_uploads_another_page() -> None:
    """CloudFormation calls the function again when the hash is another one; `infra/generated.py` writes it."""
    assert str(properties("Bootstrap")["Page"]) == page_hash()
    writes = [resources for actions, resources in statements("BootstrapRole") if "s3:PutObject" in actions]
    assert {"Fn::Sub": "${ExportBucket.Arn}/index.html"} in writes[0]
    assert {"Fn::Sub": "${ExportBucket.Arn}/page/*"} in writes[0]


def test_every_parameter_has_a_default_and_a_description() -> None:
    """A first deployment asks nothing that it need not; the console groups all of them."""
    for name, one in TEMPLATE["Parameters"].items():
        assert "Default" in one, name
        assert one["Description"].endswith("."), name
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(TEMPLATE["Parameters"])


def test_the_template_uses_no_yaml_that_cloudformation_lacks() -> None:
    """CloudFormation reads no aliases and no merge keys."""
    lines = (ROOT / "template.yaml").read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if ": &" in line or ": *" in line or "<<:" in line]


def test_no_child_of_a_replay_can_swap_the_root() -> None:
    """Children write shards and their own leavings; only the last step writes the manifest."""
    writable = {
        str(resource)
        for actions, resources in statements("ReplayWorkerRole")
        if "s3:PutObject" in actions
        for resource in resources
    }
    assert not [resource for resource in writable if "manifest" in resource or "image-data" in resource]
    assert len(writable) == 2


def test_what_the_commands_ask_the_stack_for_is_what_they_get() -> None:
    """An output of another thing would be redriven, switched off or read instead."""
    outputs = TEMPLATE["Outputs"]
    named = {
        "ImagesBucketName": "ImagesBucket",
        "ExportBucketName": "ExportBucket",
        "ImagesTableName": "Images",
        "ObjectsTableName": "Objects",
        "ImageQueueUrl": "ImageQueue",
        "ImageDeadLettersUrl": "ImageDeadLetters",
        "SeenQueueUrl": "SeenQueue",
        "SeenDeadLettersUrl": "SeenDeadLetters",
        "ImageProcessorName": "ImageProcessor",
        "CsvExporterName": "CsvExporter",
        "CsvPublisherName": "CsvPublisher",
        "StreamMappingId": "CsvExporterImagesStream",
        "AlarmTopicArn": "AlarmTopic",
        "ReplayStateMachineArn": "Replay",
        "BucketCheckStateMachineArn": "BucketCheck",
        "ReaderPolicyArn": "ReaderPolicy",
        "DistributionId": "CsvDistribution",
    }
    assert {name: output["Value"]["Ref"] for name, output in outputs.items() if "Ref" in output["Value"]} == named
    commands = (ROOT / "functions" / "operations" / "cli").glob("*.py")
    asked = {name for path in commands for name in _outputs_asked_for(path.read_text(encoding="utf-8"))}
    assert len(asked) >= 5
    assert asked <= set(outputs)
    for name in ("PageUrl", "DistributionId", "DistributionTarget"):
        assert outputs[name]["Condition"] == "Distributed"


def _outputs_asked_for(source: str) -> Iterator[str]:
    """Give the texts that a module calls `output` with, itself or with all that a constant has."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "output" and node.args:
            if isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value)
            else:
                assert ast.unparse(node.args[0]) == "queue"
                yield from QUEUES.values()


def test_nothing_that_is_made_or_told_has_the_name_of_a_list() -> None:
    """SAM CLI takes the names of resources and outputs for parameters, and breaks down if the value is a list."""
    lists = {name for name, one in TEMPLATE["Parameters"].items() if one["Type"] == "CommaDelimitedList"}
    assert "ImagePrefixes" in lists
    assert not lists & {*TEMPLATE["Resources"], *TEMPLATE["Outputs"]}


def test_operators_read_of_the_parameters_as_they_are() -> None:
    """Each in its row, with its default and in its words."""
    rows = re.findall(
        r"^\| `(\w+)` \| (.*?) \| (.+) \|$", (ROOT / "infra" / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    told = {name: (default.strip("` "), text) for name, default, text in rows if name in TEMPLATE["Parameters"]}
    assert told == {name: (str(one["Default"]), one["Description"]) for name, one in TEMPLATE["Parameters"].items()}


@pytest.mark.parametrize(("name", "allowed"), [("photos-2026", True), ("Photos", False), ("ab", False), ("", True)])
def test_bucket_names_are_checked_before_anything_is_made(name: str, allowed: bool) -> None:
    """S3's own rules: small letters, 3 to 63 characters."""
    assert bool(re.fullmatch(parameter("ImagesBucketName")["AllowedPattern"], name)) is allowed
