"""Where to work is given by name, or looked up from the stack."""

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

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
    skyledger: Run, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CloudFormation calls a name that it does not know a ValidationError (DescribeStacks); a stack may be older."""
    monkeypatch.delitem(OUTPUTS, "StreamMappingId")
    ran = skyledger("stream", "off", "--stack", "sky")
    assert (ran.code, "the stack sky has no output StreamMappingId" in ran.err) == (2, True)
    assert services.switched == []

    def describe_stacks(StackName: str) -> None:  # noqa: N803
        message = f"Stack with id {StackName} does not exist"
        raise ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "DescribeStacks")

    monkeypatch.setattr(services, "describe_stacks", describe_stacks)
    ran = skyledger("stream", "off", "--stack", "sty")
    assert (ran.code, ran.err) == (2, "skyledger: stack sty: Stack with id sty does not exist\n")
