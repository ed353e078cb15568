"""At deployment: existing buckets tell of their changes, and what else they tell stays as it is."""

import io
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import boto3
import pytest
from botocore.awsrequest import AWSRequest, AWSResponse

from operations import existing_buckets
from operations.custom_resource import TRY_SECONDS
from operations.existing_buckets import CONFIG, PHYSICAL_ID, handler
from tests.support.cloudformation import CloudFormation
from tests.support.lambda_context import LambdaContext

SWITCH = "EventBridgeConfiguration"
HEAD, GET, PUT, DESCRIBE = "HEAD", "GET", "PUT", "POST"
AT = "eu-west-1:111122223333"
OTHERS: dict[str, Any] = {
    "QueueConfigurations": [
        {"Id": "queue", "QueueArn": f"arn:aws:sqs:{AT}:thumbnails", "Events": ["s3:ObjectCreated:*"]},
    ],
    "TopicConfigurations": [
        {
            "Id": "topic",
            "TopicArn": f"arn:aws:sns:{AT}:removed",
            "Events": ["s3:ObjectRemoved:Delete", "s3:ObjectRemoved:DeleteMarkerCreated"],
            "Filter": {
                "Key": {"FilterRules": [{"Name": "prefix", "Value": "raw/"}, {"Name": "suffix", "Value": ".dng"}]}
            },
        },
    ],
    "LambdaFunctionConfigurations": [
        {"Id": "gone", "LambdaFunctionArn": f"arn:aws:lambda:{AT}:function:gone", "Events": ["s3:ObjectCreated:Put"]},
    ],
}
LATER = {
    "QueueConfigurations": [
        {"Id": "later", "QueueArn": f"arn:aws:sqs:{AT}:later", "Events": ["s3:ObjectCreated:*"]},
    ]
}
EMPTY = b'<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>'


class Fault(NamedTuple):
    """An error in place of an answer."""

    status: int
    code: str
    region: str = ""

    def answer(self, verb: str) -> AWSResponse:
        """Say it as S3 and CloudFormation do; the answer to a HEAD has no body."""
        body = f"<Error><Code>{self.code}</Code><Message>why</Message></Error>"
        body = f"<ErrorResponse>{body}</ErrorResponse>" if verb == DESCRIBE else body
        headers = {"x-amz-bucket-region": self.region} if self.region else {}
        return answer(self.status, b"" if verb == HEAD else body.encode(), headers)


def answer(status: int = 200, body: bytes = b"", headers: Mapping[str, str] | None = None) -> AWSResponse:
    """Answer a request."""
    raw = io.BytesIO(body)
    raw.stream = lambda *_, **__: iter([body])  # type: ignore[attr-defined]
    return AWSResponse("", status, dict(headers or {}), raw)


_present: list["Amazon"] = []


@cache
def client(service: str) -> Any:
    """Make a client, once for all tests: that takes its time."""
    made = boto3.Session("id", "secret", region_name="eu-west-1").client(service, config=CONFIG)
    made.meta.events.register("before-send", lambda request, **_: _present[0].send(request))
    return made


class Amazon:
    """S3 with two existing buckets, and CloudFormation with a stack, as boto3 meets them on the wire.

    Attributes:
        notifications: of each bucket, in S3's words.
        own: the stack's own bucket before an update, and its status; None if it has none.
        status: of the stack.
        asked: the verb of each request, in order.
        region: that the buckets are in.
        faults: what is answered in place of the next answers, by verb.
        passing: called when a request has gone through, by verb.
        context: of the invocation, whose time passes only while the function sleeps.
    """

    def __init__(self) -> None:
        self.notifications = {"archive": EMPTY, "inbox": EMPTY}
        self.own: tuple[str, str] | None = None
        self.status = "UPDATE_IN_PROGRESS"
        self.asked: list[str] = []
        self.region = "eu-west-1"
        self.faults: dict[str, list[Fault]] = {}
        self.passing: dict[str, list[Callable[[], object]]] = {}
        self.context = LambdaContext(left_ms=300_000)

    def sleep(self, seconds: float) -> None:
        self.context.left_ms -= int(1000 * seconds)

    def set(self, bucket: str, notifications: dict[str, Any]) -> None:
        """Let another program set a bucket's notifications, all of them at once."""
        client("s3").put_bucket_notification_configuration(
            Bucket=bucket,
            NotificationConfiguration=notifications,
            SkipDestinationValidation=True,
            ExpectedBucketOwner="111122223333",
        )

    def read(self, bucket: str) -> dict[str, Any]:
        """Read a bucket's notifications."""
        found = client("s3").get_bucket_notification_configuration(Bucket=bucket, ExpectedBucketOwner="111122223333")
        return {name: value for name, value in found.items() if name != "ResponseMetadata"}

    def send(self, request: AWSRequest) -> AWSResponse:
        """Answer a request."""
        verb = str(request.method)
        self.asked.append(verb)
        if faults := self.faults.get(verb):
            return faults.pop(0).answer(verb)
        made = self._describe(str(request.body)) if verb == DESCRIBE else self._ask_s3(verb, request)
        if passing := self.passing.get(verb):
            passing.pop(0)()
        return made

    def _ask_s3(self, verb: str, request: AWSRequest) -> AWSResponse:
        bucket = str(request.url).split("//")[1].split(".")[0]
        assert request.headers["x-amz-expected-bucket-owner"] == b"111122223333"
        if bucket not in self.notifications:
            return Fault(404, "NoSuchBucket").answer(verb)
        if verb == HEAD:
            return answer(headers={"x-amz-bucket-region": self.region})
        if verb == GET:
            return answer(body=self.notifications[bucket])
        body = request.body if isinstance(request.body, bytes) else request.body.read()
        if b"gone" in body and request.headers.get("x-amz-skip-destination-validation") != b"true":
            return Fault(400, "InvalidArgument").answer(verb)
        self.notifications[bucket] = body
        return answer()

    def _describe(self, asked: str) -> AWSResponse:
        if "Action=DescribeStacks&" in asked or "'DescribeStacks'" in asked:
            stack = f"<StackName>survey</StackName><StackStatus>{self.status}</StackStatus>"
            result = f"<DescribeStacksResult><Stacks><member>{stack}</member></Stacks></DescribeStacksResult>"
            return answer(body=f"<DescribeStacksResponse>{result}</DescribeStacksResponse>".encode())
        if self.own is None:
            return Fault(400, "ValidationError").answer(DESCRIBE)
        name, status = self.own
        detail = f"<PhysicalResourceId>{name}</PhysicalResourceId><ResourceStatus>{status}</ResourceStatus>"
        result = f"<StackResourceDetail>{detail}</StackResourceDetail>"
        outer = f"<DescribeStackResourceResult>{result}</DescribeStackResourceResult>"
        return answer(body=f"<DescribeStackResourceResponse>{outer}</DescribeStackResourceResponse>".encode())


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Amazon:
    """The AWS that the function meets."""
    made = Amazon()
    _present[:] = [made]
    monkeypatch.setattr(existing_buckets.time, "sleep", made.sleep)
    monkeypatch.setattr(existing_buckets.boto3, "client", lambda service, config: client(service))
    return made


@pytest.fixture
def follow(amazon: Amazon, cloudformation: CloudFormation) -> Callable[..., str]:
    """Let CloudFormation ask for sources, and give why it failed; empty if it did not."""

    def ask(*existing: str, own: str = "", own_wanted: str = "auto", kind: str = "Update", **more: Any) -> str:
        wishes = {"ExistingBuckets": [*existing], "ImagesBucket": own, "OwnBucket": own_wanted}
        handler(
            cloudformation.request(kind, ResourceProperties={**wishes, "ExportBucket": "exports"}, **more),
            amazon.context,
        )
        told = cloudformation.answers.pop()
        assert told["PhysicalResourceId"] == more.get("PhysicalResourceId", PHYSICAL_ID)
        assert (told["Status"] == "SUCCESS") == (told["Reason"] == "done")
        return "" if told["Status"] == "SUCCESS" else str(told["Reason"])

    return ask


def test_eventbridge_is_switched_on_and_all_else_stays(amazon: Amazon, follow: Callable[..., str]) -> None:
    """Queue, topic and function with their ids, events and filters, a destination that is gone among them.

    Done again nothing is written: others may change their notifications from now on.
    """
    amazon.set("archive", OTHERS)
    assert follow("archive", "inbox", kind="Create") == ""
    assert amazon.read("archive") == OTHERS | {SWITCH: {}}
    assert amazon.read("inbox") == {SWITCH: {}}
    amazon.asked.clear()
    assert follow("archive", "inbox") == ""
    assert PUT not in amazon.asked


def test_who_overwrites_the_switch_is_not_overwritten(amazon: Amazon, follow: Callable[..., str]) -> None:
    """He read before it and wrote after it: read again, and switched on again beside what he wrote."""
    amazon.passing[PUT] = [lambda: amazon.set("archive", LATER)]
    assert follow("archive") == ""
    assert amazon.read("archive") == LATER | {SWITCH: {}}


def test_what_another_changes_later_is_his(amazon: Amazon, follow: Callable[..., str]) -> None:
    """He read after our write: what he took out is not put back."""
    amazon.set("archive", OTHERS)
    amazon.passing[PUT] = [lambda: amazon.set("archive", LATER | {SWITCH: {}})]
    assert follow("archive") == ""
    assert amazon.read("archive") == LATER | {SWITCH: {}}


def test_who_overwrites_it_every_time_is_named_in_time(amazon: Amazon, follow: Callable[..., str]) -> None:
    """Two programs that each know best: the deployment fails, and says why."""
    amazon.passing[PUT] = [write for _ in range(1000) for write in (lambda: amazon.set("archive", LATER), bool)]
    assert "archive: EventBridge is off again; somebody else" in follow("archive")
    assert TRY_SECONDS <= amazon.context.left_ms / 1000 < TRY_SECONDS + 10


NEVER: dict[str, tuple[str, Fault, tuple[str, ...]]] = {
    "no such bucket": (HEAD, Fault(404, "NoSuchBucket"), ("archive: there is no such bucket",)),
    "another region, denied": (HEAD, Fault(403, "Forbidden", "us-east-1"), ("archive is in us-east-1", "in eu-west-1")),
    "what S3 does not take": (PUT, Fault(400, "InvalidArgument"), ("archive: ", "InvalidArgument")),
}


@pytest.mark.parametrize("case", NEVER)
def test_a_bucket_that_can_never_be_followed_is_named_at_once(
    case: str, amazon: Amazon, follow: Callable[..., str]
) -> None:
    """With what is wrong about it; nothing is written to it, and nothing waited for."""
    verb, fault, words = NEVER[case]
    amazon.faults[verb] = [fault]
    reason = follow("archive")
    assert reason.startswith("NotFollowed: ")
    assert [word for word in words if word not in reason] == []
    assert amazon.notifications["archive"] == EMPTY
    assert amazon.context.left_ms == 300_000


def test_a_bucket_of_another_region_is_not_followed_there(amazon: Amazon, follow: Callable[..., str]) -> None:
    """boto3 goes where a bucket is (its S3RegionRedirector), so it would be switched on, and be heard there alone."""
    amazon.region = "us-east-1"
    assert "archive is in us-east-1, and the stack in eu-west-1" in follow("archive")
    assert amazon.notifications["archive"] == EMPTY


@pytest.mark.parametrize("verb", [HEAD, GET, PUT, DESCRIBE])
@pytest.mark.parametrize("fault", [Fault(403, "AccessDenied"), Fault(409, "OperationAborted")])
def test_what_may_pass_is_asked_for_again(verb: str, fault: Fault, amazon: Amazon, follow: Callable[..., str]) -> None:
    """A role that IAM does not know yet; a rival's request that S3 is at work on."""
    amazon.faults[verb] = [fault] * 4
    assert follow("archive") == ""
    assert SWITCH in amazon.read("archive")
    assert 200_000 < amazon.context.left_ms < 300_000


def test_a_bucket_that_stays_closed_is_named_in_time(amazon: Amazon, follow: Callable[..., str]) -> None:
    """Another account's, or closed by its own policy: S3 tells the two apart to nobody."""
    amazon.faults[HEAD] = [Fault(403, "Forbidden")] * 1000
    reason = follow("inbox")
    assert "inbox: denied (HeadBucket). It is another account's, or its policy" in reason
    assert "account 111122223333 alone" in reason
    assert TRY_SECONDS <= amazon.context.left_ms / 1000 < TRY_SECONDS + 10
    assert 3 * (CONFIG.connect_timeout + CONFIG.read_timeout) + 10 < TRY_SECONDS


def test_what_leaves_the_list_is_not_switched_off(amazon: Amazon, follow: Callable[..., str]) -> None:
    """Others may have rules of their own for the bucket: nothing is asked of it, when the stack is deleted neither."""
    assert follow("archive", "inbox") == ""
    amazon.asked.clear()
    before = dict(amazon.notifications)
    assert follow("inbox", OldResourceProperties={"ExistingBuckets": ["archive", "inbox"]}) == ""
    assert amazon.asked == [DESCRIBE, HEAD, GET]
    amazon.asked.clear()
    assert follow("archive", kind="Delete", PhysicalResourceId="made up") == ""
    assert amazon.asked == []
    assert amazon.notifications == before


OWN = ("sky-imagesbucket-1", "CREATE_COMPLETE")
REFUSED: dict[str, tuple[tuple[str, ...], dict[str, str], str]] = {
    "no bucket at all": ((), {"own_wanted": "no"}, "OwnBucket=no needs ExistingBuckets"),
    "the export bucket": (("inbox", "exports"), {}, "exports is the stack's export bucket"),
    "the own bucket twice": (("photos",), {"own": "photos", "own_wanted": "yes"}, "photos is the stack's own bucket"),
    "the own bucket dropped": (("inbox",), {}, "let go of the stack's own bucket sky-imagesbucket-1"),
    "the own bucket dropped by an upgrade": (("inbox",), {"kind": "Create"}, "OwnBucket=yes keeps following it"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_sources_that_nobody_can_mean_are_refused(case: str, amazon: Amazon, follow: Callable[..., str]) -> None:
    """Before any bucket is touched. What an update would drop without a word, CloudFormation still has when it asks."""
    existing, more, words = REFUSED[case]
    amazon.own = OWN
    assert words in follow(*existing, **more)
    assert set(amazon.asked) <= {DESCRIBE}


def test_a_stack_gets_back_to_a_bucket_that_is_gone_since(amazon: Amazon, follow: Callable[..., str]) -> None:
    """Else a failed update could not be rolled back, and nothing of the stack changed until somebody steps in."""
    del amazon.notifications["archive"]
    gone = "archive: there is no such bucket"
    assert gone in follow("archive", "inbox")
    amazon.status = "UPDATE_ROLLBACK_IN_PROGRESS"
    assert follow("archive", "inbox") == ""
    assert gone in follow("archive", "inbox", kind="Create")
    amazon.passing[HEAD] = [lambda: amazon.faults.update({DESCRIBE: [Fault(500, "InternalFailure")] * 3})]
    assert gone in follow("inbox", "archive"), "CloudFormation does not say"


KEPT: dict[str, tuple[tuple[str, str] | None, dict[str, str]]] = {
    "kept": (OWN, {"own": OWN[0], "own_wanted": "yes"}),
    "let go": (OWN, {"own_wanted": "no"}),
    "let go before": ((OWN[0], "DELETE_SKIPPED"), {}),
    "never there": (None, {}),
}


@pytest.mark.parametrize("case", KEPT)
def test_the_own_bucket_goes_or_stays_as_was_said(case: str, amazon: Amazon, follow: Callable[..., str]) -> None:
    """One that was let go is no longer in the way."""
    amazon.own, more = KEPT[case]
    assert follow("inbox", **more) == ""
    assert SWITCH in amazon.read("inbox")


def test_a_stack_with_its_own_bucket_alone_asks_nobody(amazon: Amazon, follow: Callable[..., str]) -> None:
    """An empty parameter is a list of one empty name."""
    assert follow("", own="photos", kind="Create") == ""
    assert amazon.asked == []
