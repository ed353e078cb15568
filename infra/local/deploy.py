"""Deploy the template to the emulator as to AWS: our zip in a bucket, a change set with the SAM transform."""

import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, WaiterError
from cfnlint.decode import decode

from infra.local.bundle import build
from infra.local.emulator import Emulator
from infra.paths import ROOT
from infra.waiting import PATIENCE_SECONDS

STACK = "skyledger"
CODE_BUCKET = "skyledger-code"
CODE_LINE = "CodeUri: functions/"
ALARM_TYPE = "Type: AWS::CloudWatch::Alarm"
DEFINITION_LINE = re.compile(r"DefinitionUri: (?P<path>[\w./-]+)")
JOINED_LIST = re.compile(r'!Join \["", (?P<list>!Ref \w+)\]')
TLS_CONDITION = 'aws:SecureTransport: "false"'
EVENT_CONDITION = "StringEquals: { events:source:"
NEVER_WHOLE = ("REVIEW_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED")
WAIT = {"Delay": 1, "MaxAttempts": int(PATIENCE_SECONDS)}


class DeploymentError(Exception):
    """CloudFormation refused the template or could not make the stack; the message names the resource."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a deployed stack tells of itself: the template's outputs.

    Attributes:
        images_bucket: the stack's own.
        image_buckets: all whose images count, with those that were there before.
    """

    images_bucket: str
    image_buckets: tuple[str, ...]
    export_bucket: str
    images_table: str
    images_stream_arn: str
    objects_table: str
    queue_url: str
    dead_letters_url: str
    seen_queue_url: str
    seen_dead_letters_url: str
    image_processor: str
    csv_exporter: str
    stream_mapping_id: str


def deploy(emulator: Emulator, cache: Path, parameters: Mapping[str, str]) -> Deployment:
    """Create the stack, or bring it up to date.

    Args:
        emulator: where to.
        cache: folder for built zips.
        parameters: the template's parameters that shall differ from their defaults.

    Raises:
        DeploymentError: the stack could not be made.
    """
    template_url = _package(emulator, build(cache))
    cloudformation = emulator.client("cloudformation")
    kind = _change_set_kind(cloudformation)
    change_set = {"StackName": STACK, "ChangeSetName": f"deploy-{time.time_ns()}"}
    try:
        cloudformation.create_change_set(
            **change_set,
            ChangeSetType=kind,
            TemplateURL=template_url,
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        )
    except ClientError as error:
        raise DeploymentError(error.response["Error"]["Message"]) from error
    if _is_change(cloudformation, change_set):
        cloudformation.execute_change_set(**change_set)
        _wait_until_complete(cloudformation, kind)
    (stack,) = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
    return _read_outputs({output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]})


def _package(emulator: Emulator, bundle: Path) -> str:
    """Upload what the template names by local paths, and the template, as `sam package` does.

    Returns:
        Where the template is: it is too long to be sent with a request.
    """
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket=CODE_BUCKET)

    def upload(name: str, content: bytes) -> str:
        s3.put_object(Bucket=CODE_BUCKET, Key=name, Body=content)
        return f"{CODE_BUCKET}/{name}"

    def upload_definition(line: re.Match[str]) -> str:
        definition, _ = decode(str(ROOT / line["path"]))
        content = json.dumps(definition).encode()  # the emulator reads no YAML here
        return f"DefinitionUri: s3://{upload(_named(content, '.json'), content)}"

    template = (ROOT / "template.yaml").read_text(encoding="utf-8")
    if template.count(CODE_LINE) != 1:
        raise DeploymentError(f"template.yaml must say '{CODE_LINE}' once, for all functions")
    template = template.replace(CODE_LINE, f"CodeUri: s3://{upload(bundle.name, bundle.read_bytes())}")
    template = fitted(DEFINITION_LINE.sub(upload_definition, template))
    return f"{emulator.endpoint_url}/{upload(_named(template.encode(), '.yaml'), template.encode())}"


def _named(content: bytes, suffix: str) -> str:
    return hashlib.sha256(content).hexdigest()[:16] + suffix


def fitted(template: str) -> str:
    """Fit the template to the emulator.

    It speaks plain HTTP: with permissions on, the policies that refuse plain HTTP would refuse every request, so here,
    and only here, their condition gets a value that no request has. It does not tell a policy which event is sent, so
    that the condition on it holds only if it may be absent. It refuses alarms on expressions: they are left out. And
    its conditions know no Join: there a list is one text already.
    """
    resources = template.split("\n\n")
    known = [one for one in resources if not (ALARM_TYPE in one and "\n      Metrics:" in one)]
    made = JOINED_LIST.sub(r"\g<list>", "\n\n".join(known))
    made = made.replace(EVENT_CONDITION, EVENT_CONDITION.replace("Equals", "EqualsIfExists"))
    return made.replace(TLS_CONDITION, TLS_CONDITION.replace("false", "never"))


def _change_set_kind(cloudformation: Any) -> str:
    """Say whether to create or to update the stack; one that was never whole holds no data, and is cleared away."""
    try:
        (stack,) = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
    except ClientError:
        return "CREATE"
    if stack["StackStatus"] not in NEVER_WHOLE:
        return "UPDATE"
    cloudformation.delete_stack(StackName=STACK)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=STACK, WaiterConfig=WAIT)
    return "CREATE"


def _is_change(cloudformation: Any, change_set: Mapping[str, str]) -> bool:
    """Wait for the change set; False if the stack is up to date already."""
    try:
        cloudformation.get_waiter("change_set_create_complete").wait(**change_set, WaiterConfig=WAIT)
    except WaiterError as error:
        reason = cloudformation.describe_change_set(**change_set).get("StatusReason", "")
        cloudformation.delete_change_set(**change_set)
        if "didn't contain changes" in reason or "No updates are to be performed" in reason:
            return False
        raise DeploymentError(reason or str(error)) from error
    return True


def _wait_until_complete(cloudformation: Any, kind: str) -> None:
    waiter = "stack_create_complete" if kind == "CREATE" else "stack_update_complete"
    try:
        cloudformation.get_waiter(waiter).wait(StackName=STACK, WaiterConfig=WAIT)
    except WaiterError as error:
        events = cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
        failures = [
            f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
            for event in events
            if event["ResourceStatus"].endswith("_FAILED")
        ]
        raise DeploymentError("; ".join(failures) or str(error)) from error


def _read_outputs(outputs: Mapping[str, str]) -> Deployment:
    return Deployment(
        images_bucket=outputs["ImagesBucketName"],
        image_buckets=tuple(outputs["ImageBuckets"].split(",")),
        export_bucket=outputs["ExportBucketName"],
        images_table=outputs["ImagesTableName"],
        images_stream_arn=outputs["ImagesStreamArn"],
        objects_table=outputs["ObjectsTableName"],
        queue_url=outputs["ImageQueueUrl"],
        dead_letters_url=outputs["ImageDeadLettersUrl"],
        seen_queue_url=outputs["SeenQueueUrl"],
        seen_dead_letters_url=outputs["SeenDeadLettersUrl"],
        image_processor=outputs["ImageProcessorName"],
        csv_exporter=outputs["CsvExporterName"],
        stream_mapping_id=outputs["StreamMappingId"],
    )
