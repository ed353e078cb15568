"""The functions of the stack: what calls them, what they are given, and how long they may run."""

import importlib
import inspect
import json
from datetime import timedelta

import pytest

from csv_exporter import publisher
from ledger.batch import LATE_SECONDS
from ledger.limits import INVOCATION_SECONDS
from ledger.pace import MOST_WAIT_SECONDS
from operations.collection.collect import CLAIM_HOLDS, ORPHAN_AGE, READABLE, RESERVE_SECONDS, RUN_SECONDS
from operations.custom_resource import TRY_SECONDS
from operations.live.swap import PATIENCE_SECONDS
from tests.support.paths import ROOT
from tests.support.template import (
    FUNCTIONS,
    TEMPLATE,
    following,
    parameter,
    properties,
    schedules,
    seconds_between,
    stack,
    statements_of,
)

MOST_SECONDS = 900  # that Lambda lets a function run
STREAM_SECONDS = 24 * 3600  # that a stream keeps a record
SIZE = {
    "ImageProcessor": {"Ref": "ProcessorMemoryMB"},
    "CsvExporter": {"Ref": "ExporterMemoryMB"},
    "CsvPublisher": {"Ref": "ExporterMemoryMB"},
    "ReplayWorker": {"Ref": "ExporterMemoryMB"},
    "ReplayFinisher": {"Ref": "ExporterMemoryMB"},
}
PAIR = ("CsvExporter", "CsvPublisher")
EXPORTS = {"EXPORT_BUCKET": {"Ref": "ExportBucket"}}
READ_FROM_THE_ENVIRONMENT = {
    "ImageProcessor": {
        "IMAGES_TABLE": {"Ref": "Images"},
        "OBJECTS_TABLE": {"Ref": "Objects"},
        "IMAGE_BUCKETS": {"Fn::Join": [",", [{"Ref": "ImagesBucket"}, "archive,inbox"]]},
        "IMAGE_PREFIXES": "",
    },
    "SourcesFunction": {},
    "CsvExporter": {
        **EXPORTS,
        "PUBLISHER": {"Fn::GetAtt": ["CsvPublisher", "Arn"]},
        "PUBLISH_DOLLARS_PER_DAY": 0,
        "EVENT_BUS": "photos",
    },
    "CsvPublisher": {**EXPORTS, "PUBLISH_DOLLARS_PER_DAY": 0, "EVENT_BUS": "photos"},
}
READ_FROM_THE_ENVIRONMENT["BucketWorker"] = {
    **EXPORTS,
    **READ_FROM_THE_ENVIRONMENT["ImageProcessor"],
    "SEEN_QUEUE_URL": {"Ref": "SeenQueue"},
}


def test_every_function_of_the_template_is_looked_at_here() -> None:
    """A new one has to be listed, with its role."""
    kinds = {name: one["Type"] for name, one in TEMPLATE["Resources"].items()}
    assert {name for name, kind in kinds.items() if kind == "AWS::Serverless::Function"} == set(FUNCTIONS)


@pytest.mark.parametrize(("function", "role"), FUNCTIONS.items())
def test_every_function_has_a_role_of_its_own_that_lambda_alone_may_take(function: str, role: str) -> None:
    """SAM adds broad managed policies to a function without a role."""
    assert properties(function)["Role"] == {"Fn::GetAtt": [role, "Arn"]}
    assert set(properties(role)) == {"AssumeRolePolicyDocument", "Policies"}, "no managed policy"
    (trust,) = properties(role)["AssumeRolePolicyDocument"]["Statement"]
    assert trust == {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_begins_at_a_handler_that_is_there(function: str) -> None:
    """Of an event and a context; nothing else of the template says whether the name is right."""
    module, _, name = properties(function)["Handler"].rpartition(".")
    handler = getattr(importlib.import_module(module), name)
    assert [*inspect.signature(handler).parameters] == ["event", "context"]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_is_given_what_its_code_asks_for(function: str) -> None:
    """The places by name, and the name that its metrics and log lines carry; nothing else is set."""
    variables = dict(following()[function]["Properties"]["Environment"]["Variables"])
    assert variables.pop("POWERTOOLS_SERVICE_NAME")["Fn::Sub"].startswith("${AWS::StackName}-")
    assert variables == READ_FROM_THE_ENVIRONMENT.get(function, EXPORTS)
    assert TEMPLATE["Globals"] == {
        "Function": {
            "CodeUri": "functions/",
            "Runtime": {"Ref": "Runtime"},
            "Architectures": [{"Ref": "Architecture"}],
            "Tracing": {"Ref": "Tracing"},
            "Environment": {
                "Variables": {
                    "POWERTOOLS_METRICS_NAMESPACE": "Skyledger",
                    "POWERTOOLS_LOG_LEVEL": {"Ref": "LogLevel"},
                }
            },
        }
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_function_has_more_than_it_needs(function: str) -> None:
    """No URL, no VPC, no layer of others; and no reserved concurrency, of which a stream would only be throttled."""
    needed = {"Description", "Handler", "Role", "Timeout", "MemorySize", "LoggingConfig", "Environment"}
    assert set(properties(function)) - {"Events", "EventInvokeConfig"} == needed
    assert properties(function)["MemorySize"] == SIZE.get(function, properties(function)["MemorySize"])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_writes_to_a_log_of_the_stack_and_its_role_lets_it(function: str) -> None:
    """Kept as long as was said, and gone with the stack: a log that Lambda makes by itself is never deleted."""
    logs = properties(function)["LoggingConfig"]["LogGroup"]["Ref"]
    users = {other for other in FUNCTIONS if properties(other)["LoggingConfig"]["LogGroup"]["Ref"] == logs}
    assert users == ({"ReplayWorker", "ReplayFinisher"} if function.startswith("Replay") else {function})
    resource = TEMPLATE["Resources"][logs]
    assert resource["Properties"] == {"RetentionInDays": {"Ref": "LogRetentionDays"}}
    assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Delete"
    (grant,) = [one for one in statements_of(FUNCTIONS[function]) if "logs:PutLogEvents" in one["Action"]]
    assert grant["Resource"] == {"Fn::GetAtt": [logs, "Arn"]}


def test_who_works_through_the_bucket_has_all_the_time_that_lambda_gives() -> None:
    """And what they left is nobody's once it is older; a swap under contention gives up before."""
    for function in ("CsvExporter", "CsvPublisher", "Collector", "ReplayWorker", "ReplayFinisher", "BucketWorker"):
        assert properties(function)["Timeout"] == INVOCATION_SECONDS == MOST_SECONDS, function
    assert properties("ReplayFinisher")["Timeout"] > PATIENCE_SECONDS


def test_the_smallest_memory_holds_what_is_cached_and_taken_along() -> None:
    """`./infra/bench growth` measures the exporter with 256 MB; nobody who merges as it does has less."""
    assert parameter("ExporterMemoryMB")["MinValue"] == 256
    for function in ("BootstrapFunction", "Collector"):
        assert properties(function)["MemorySize"] >= parameter("ExporterMemoryMB")["MinValue"]


def test_the_stream_mapping_loses_nothing() -> None:
    """From the oldest record on, bounded within the stream's day, with whole batches put aside.

    No tumbling window, which ends in a call without records, and no filter, which drops what it does not let through.
    """
    events = properties("CsvExporter")["Events"]
    assert set(events) == {"ImagesStream"}
    assert events["ImagesStream"]["Type"] == "DynamoDB"
    assert events["ImagesStream"]["Properties"] == {
        "Stream": {"Fn::GetAtt": ["Images", "StreamArn"]},
        "StartingPosition": "TRIM_HORIZON",
        "BatchSize": {"Ref": "StreamBatchSize"},
        "MaximumBatchingWindowInSeconds": {"Ref": "StreamWindowSeconds"},
        "ParallelizationFactor": {"Ref": "StreamParallelBatches"},
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "BisectBatchOnFunctionError": True,
        "MaximumRetryAttempts": {"Ref": "StreamRetryAttempts"},
        "MaximumRecordAgeInSeconds": {"Ref": "StreamRecordAgeSeconds"},
        "MetricsConfig": {"Metrics": ["EventCount"]},
        "DestinationConfig": {"OnFailure": {"Destination": {"Fn::GetAtt": ["ExportBucket", "Arn"]}}},
    }


def test_a_batch_is_put_aside_by_its_age_and_before_the_stream_forgets_it() -> None:
    """With the time of two invocations to spare; what comes later than any batch may is the edge of a gap.

    Of tries it has as many as Lambda allows: how long they take is not known.
    """
    age, tries = parameter("StreamRecordAgeSeconds"), parameter("StreamRetryAttempts")
    assert 60 <= age["MinValue"] < age["Default"] < age["MaxValue"] <= STREAM_SECONDS - 2 * MOST_SECONDS
    assert age["MaxValue"] <= LATE_SECONDS < STREAM_SECONDS
    assert (tries["MinValue"], tries["Default"]) == (1, tries["MaxValue"])
    assert f"until it is {age['Default'] // 3600} hours old" in (ROOT / "infra" / "README.md").read_text("utf-8")


def test_a_commit_gathers_for_a_moment_and_one_batch_of_a_shard_runs_at_a_time() -> None:
    """Rows come within seconds, and batches in parallel would only compete for the swaps that one key of S3 takes.

    More than ten records a batch need a window of a second (Lambda API, MaximumBatchingWindowInSeconds).
    """
    assert parameter("StreamBatchSize")["Default"] > 10
    assert 1 <= parameter("StreamWindowSeconds")["Default"] <= 5
    assert parameter("StreamParallelBatches")["Default"] == 1


def test_the_publisher_is_called_by_its_schedule_whatever_the_exporters_do() -> None:
    """A publish that was left behind is bound to come: `ledger/publish.py` rests on it.

    As EventBridge calls it, for by the event's source the handler knows it; and often enough that `CsvNotPublished`
    has its zero in each of its periods.
    """
    (sweep,) = schedules("CsvPublisher")
    assert set(sweep) == {"Schedule"}, "switched on, and without an input of its own"
    assert publisher.SCHEDULE == "aws.events"
    periods = {one["MetricStat"]["Period"] for one in properties("CsvNotPublished")["Metrics"] if "MetricStat" in one}
    assert seconds_between(sweep) <= min(periods)
    assert "each minute" in (ROOT / "functions" / "README.md").read_text("utf-8")
    assert seconds_between(sweep) == MOST_WAIT_SECONDS == 60, "a publisher waits for as long as until the next call"


def test_a_call_of_the_publisher_is_repeated_for_as_long_as_its_claim_lasts() -> None:
    """Lambda tries three times at most; an event that waited longer would come for a claim that is nobody's."""
    config = properties("CsvPublisher")["EventInvokeConfig"]
    assert config == {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": INVOCATION_SECONDS}
    (call,) = [one for one in statements_of("CsvExporterRole") if one["Action"] == "lambda:InvokeFunction"]
    assert call["Resource"] == {"Fn::GetAtt": ["CsvPublisher", "Arn"]}
    services = {properties(name)["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]["Fn::Sub"] for name in PAIR}
    assert len(services) == 1, "one series of each metric, whoever published"


def test_collections_come_often_enough_and_never_two_at_once() -> None:
    """A replaced shard is there for 26 hours and up to six more, as readers are told.

    A claim holds until the one who has it has ended, and is over when the next collection begins.
    """
    (schedule,) = schedules("Collector")
    assert set(schedule) == {"Schedule"}
    between = timedelta(seconds=seconds_between(schedule))
    told = (ROOT / "infra" / "README.md").read_text("utf-8")
    assert "S3 has a replaced shard for 26 hours, and up to six more" in told
    assert (ORPHAN_AGE, between) == (timedelta(hours=26), timedelta(hours=6))
    timeout = properties("Collector")["Timeout"]
    assert RESERVE_SECONDS < timeout < RUN_SECONDS, "the claim is given back by who has it"
    assert timedelta(seconds=RUN_SECONDS) < CLAIM_HOLDS < between < READABLE


def test_cloudformation_waits_until_bootstrap_has_answered() -> None:
    """ServiceTimeout begins before the function does, which leaves time for a try and the answer, and no hour more."""
    timeout, waits = properties("BootstrapFunction")["Timeout"], properties("Bootstrap")["ServiceTimeout"]
    assert timeout + 60 <= waits <= 2 * timeout
    assert timeout >= 180 + TRY_SECONDS, "IAM gets more than three minutes, as the run-book says, and a last try"
    assert properties("Bootstrap")["ServiceToken"] == {"Fn::GetAtt": ["BootstrapFunction", "Arn"]}
    assert properties("Bootstrap")["ExportBucket"] == {"Ref": "ExportBucket"}, "another bucket, another ledger"


def test_who_writes_to_the_export_bucket_comes_after_bootstrap() -> None:
    """And so is deleted before it, with stream and schedules: nobody fills the bucket of a rollback again."""
    called = {name for name in FUNCTIONS if "Events" in properties(name)}
    assert called == {"ImageProcessor", "CsvExporter", "CsvPublisher", "Collector"}
    assert TEMPLATE["Resources"]["CsvExporter"]["DependsOn"] == "Bootstrap"
    assert TEMPLATE["Resources"]["Collector"]["DependsOn"] == "Bootstrap"


def test_no_function_can_be_called_from_outside() -> None:
    """No API and no URL; nobody but queue, stream, schedule and Step Functions is let in."""
    types = {resource["Type"] for resource in TEMPLATE["Resources"].values()}
    assert not {
        kind for kind in types if kind.startswith(("AWS::ApiGateway", "AWS::Lambda::", "AWS::Serverless::Http"))
    }
    kinds = {event["Type"] for name in FUNCTIONS for event in properties(name).get("Events", {}).values()}
    assert kinds == {"SQS", "DynamoDB", "Schedule"}


@pytest.mark.parametrize("tracing", ["Active", "PassThrough"])
def test_traces_are_sent_only_if_asked_for(tracing: str) -> None:
    """X-Ray's actions know no resources, so the policy exists only where tracing is on, and then for all functions."""
    policy = stack(Tracing=tracing).get("TracePolicy")
    assert (policy is not None) == (tracing == "Active")
    if policy:
        (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
        assert statement["Action"] == ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
        assert {role["Ref"] for role in policy["Properties"]["Roles"]} == set(FUNCTIONS.values())


def test_a_replay_runs_for_as_long_as_it_takes_by_a_role_of_step_functions() -> None:
    """EXPRESS ends after five minutes; the role speaks of the machine by name; the last step alone swaps the root."""
    machine = properties("Replay")
    assert machine["Type"] == "STANDARD"
    assert machine["Name"] == {"Fn::Sub": "${AWS::StackName}-replay"}
    assert machine["DefinitionSubstitutions"]["Worker"] == {"Fn::GetAtt": ["ReplayWorker", "Arn"]}
    assert machine["DefinitionSubstitutions"]["Finisher"] == {"Fn::GetAtt": ["ReplayFinisher", "Arn"]}
    assert machine["Role"] == {"Fn::GetAtt": ["ReplayRole", "Arn"]}
    (trust,) = properties("ReplayRole")["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "states.amazonaws.com"}
    assert properties("ReplayWorker")["Handler"].endswith(".work")
    assert properties("ReplayFinisher")["Handler"].endswith(".finish")


def test_the_buckets_are_compared_on_a_schedule_unless_it_is_zero() -> None:
    """Only compared: to repair is an operator's wish. A rate of one day is one day, not "1 days"; others are so many.

    EventBridge User Guide, "Rate expressions reference".
    """
    for days, expression in ((1, "rate(1 day)"), (7, "rate(7 days)"), (30, "rate(30 days)")):
        rule = stack(BucketCheckDays=days)["BucketCheckSchedule"]["Properties"]
        found = rule["ScheduleExpression"]
        said = found["Fn::Sub"] if isinstance(found, dict) else found
        assert said.replace("${BucketCheckDays}", str(days)) == expression
        (target,) = rule["Targets"]
        assert target["Arn"] == {"Ref": "BucketCheck"}
        assert json.loads(target["Input"]) == {"mode": "verify", "repair": False}
        assert target["RoleArn"] == {"Fn::GetAtt": ["BucketCheckScheduleRole", "Arn"]}
    assert stack()["BucketCheckSchedule"]["Properties"] == stack(BucketCheckDays=7)["BucketCheckSchedule"]["Properties"]
    assert not {"BucketCheckSchedule", "BucketCheckScheduleRole"} & stack(BucketCheckDays=0).keys()
    (policy,) = properties("BucketCheckScheduleRole")["Policies"]
    (grant,) = policy["PolicyDocument"]["Statement"]
    assert (grant["Action"], grant["Resource"]) == ("states:StartExecution", {"Ref": "BucketCheck"})


@pytest.mark.parametrize(
    ("machine", "name", "functions"),
    [("Replay", "replay", ("ReplayWorker", "ReplayFinisher")), ("BucketCheck", "bucket-check", ("BucketWorker",))],
)
def test_a_state_machine_may_start_its_children_and_read_and_write_what_passes_between_them(
    machine: str, name: str, functions: tuple[str, ...]
) -> None:
    """As a Distributed Map needs it, of this machine and of its own prefix: it has no other power over the bucket.

    Step Functions Developer Guide, "Using Map state in Distributed mode": permissions, and those of ItemReader and
    ResultWriter.
    """
    (policy,) = properties(f"{machine}Role")["Policies"]
    granted = {
        action: statement["Resource"]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    states = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:"
    executions = {"Fn::Sub": f"{states}execution:${{AWS::StackName}}-{name}/*"}
    passed_between = {"Fn::Sub": f"${{ExportBucket.Arn}}/{name}/*"}
    called = [{"Fn::GetAtt": [function, "Arn"]} for function in functions]
    assert granted == {
        "lambda:InvokeFunction": called if len(called) > 1 else called[0],
        "states:StartExecution": {"Fn::Sub": f"{states}stateMachine:${{AWS::StackName}}-{name}"},
        "states:DescribeExecution": executions,
        "states:StopExecution": executions,
        "states:RedriveExecution": executions,
        "s3:GetObject": passed_between,
        "s3:PutObject": passed_between,
        "s3:ListMultipartUploadParts": passed_between,
        "s3:AbortMultipartUpload": passed_between,
    } | ({"s3:ListBucket": {"Fn::GetAtt": ["ExportBucket", "Arn"]}} if machine == "Replay" else {})
