"""Where to work is given by name, or looked up from the stack."""

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from botocore.parsers import ResponseParserError

from ledger.ledger import Ledger
from tests.support.aws_services import OUTPUTS, Services
from tests.support.command_line import Ran

Run = Callable[..., Ran]


def test_without_bucket_and_stack_it_says_how_to_name_them(skyledger: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is guessed."""
    monkeypatch.delenv("SKYLEDGER_BUCKET")
    ran = skyledger("status")
    assert ran.code == 2
    assert "--stack NAME, or --bucket NAME" in ran.err


def test_a_stack_that_is_not_there_or_has_no_such_output_is_wrong_use(
    skyledger: Run, filled: Ledger, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CloudFormation calls a name that it does not know a ValidationError (DescribeStacks); a stack may be older."""
    monkeypatch.delitem(OUTPUTS, "StreamMappingId")
    ran = skyledger("stream", "off", "--stack", "sky")
    assert (ran.code, "the stack sky has no output StreamMappingId" in ran.err) == (2, True)
    assert services.switched == []

    answers = iter([ANSWERS[0][0]])
    monkeypatch.setattr(services, "describe_stacks", lambda **_: _raise(next(answers)))
    ran = skyledger("stream", "off", "--stack", "sty")
    told = "skyledger: stack sty: Stack with id sty does not exist: look at --stack, --profile and --region\n"
    assert (ran.code, ran.err) == (2, told)


def _raise(error: Exception) -> None:
    raise error


def _answer(code: str, message: str = "", operation: str = "DescribeStacks") -> ClientError:
    told = {"Code": code, "Message": message} if code else None
    return ClientError({"Error": told} if told else {}, operation)  # type: ignore[typeddict-item]


DENIED = "User: arn:aws:iam::1:user/zoe is not authorized to perform: cloudformation:DescribeStacks"
ANSWERS = [
    (_answer("ValidationError", "Stack with id sty does not exist"), 2, "does not exist"),
    (_answer("AccessDenied", DENIED), 4, f"stack sty: {DENIED} (these credentials lack the permission cloudformation:"),
    (_answer("ExpiredToken", "The security token is expired"), 4, "stack sty: The security token is expired (the cred"),
    (_answer("", ""), 4, "stack sty: An error occurred (Unknown) when calling the DescribeStacks operation"),
    (EndpointConnectionError(endpoint_url="x"), 4, "stack sty: CloudFormation: EndpointConnectionError (nobody answ"),
    (NoCredentialsError(), 4, "stack sty: CloudFormation: NoCredentialsError (there are no AWS credentials: run aws"),
    (ResponseParserError("<html>"), 4, "stack sty: CloudFormation: ResponseParserError (who answered is not AWS"),
]


@pytest.mark.parametrize(("error", "code", "told"), ANSWERS, ids=lambda one: type(one).__name__)
def test_what_cloudformation_says_is_one_line_with_the_stack_and_the_remedy(
    error: Exception, code: int, told: str, skyledger: Run, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stack that is not there is wrong use; one that may not be looked at, or that nobody tells of, is AWS's no."""
    monkeypatch.delenv("SKYLEDGER_BUCKET")
    monkeypatch.setattr(services, "describe_stacks", lambda **_: _raise(error))
    ran = skyledger("status", "--stack", "sty")
    assert (ran.code, ran.err.count("\n")) == (code, 1)
    assert told in ran.err


def test_a_bucket_that_is_not_the_stacks_is_refused(skyledger: Run, filled: Ledger, services: Services) -> None:
    """Else a backfill would merge the table of one deployment into the CSV of another."""
    ran = skyledger("stream", "off", "--stack", "sky", "--bucket", "another")
    assert (ran.code, "the stack sky exports to exports, not to another" in ran.err) == (2, True)
    assert services.switched == []


def test_an_endpoint_that_is_no_address_is_wrong_use(skyledger: Run) -> None:
    """Of which boto3 says ValueError."""
    ran = skyledger("status", "--endpoint-url", "localhost:9000")
    assert (ran.code, "it begins with http:// or https://" in ran.err) == (2, True)
