"""Half a sentence says what to do about an error of AWS, wherever it comes from."""

import pickle
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConfigParseError,
    EndpointConnectionError,
    EndpointResolutionError,
    InfiniteLoopConfigError,
    SSLError,
    UnauthorizedSSOTokenError,
)

from ledger.errors import Denied, LedgerError, Unavailable
from operations.cli.remedies import remedy
from operations.replay import workers

CLOCK = "the clock of this machine is wrong"
LATE = "Signature expired: 20261127T040000Z is now earlier than 20261127T042500Z (20261127T043000Z - 5 min.)"
EARLY = "Signature not yet current: 20261127T050000Z is still later than 20261127T043500Z (20261127T043000Z + 5 min.)"
BUSY = "AWS asks for patience: try again in a minute"


def _answered(code: str, operation: str = "GetQueueAttributes", message: str = "", status: int = 400) -> ClientError:
    """Make what a service says; the SDK's client makes a class of its own for errors that the service's model has."""
    answer: Mapping[str, Any] = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return type("Modeled", (ClientError,), {})(answer, operation)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (_answered("SignatureDoesNotMatch", message=LATE, status=403), CLOCK),
        (_answered("InvalidSignatureException", message=EARLY), CLOCK),
        (_answered("RequestExpired"), CLOCK),
        (_answered("InvalidSignatureException", message="The request signature we calculated"), "AWS does not know"),
        (_answered("ThrottlingException"), BUSY),
        (_answered("ServiceUnavailable", status=503), BUSY),
        (_answered("504", status=504), BUSY),
        (_answered("AccessDenied", "AssumeRole"), "these credentials lack the permission sts:AssumeRole"),
        (
            _answered("AccessDeniedException", "UpdateEventSourceMapping"),
            "lack the permission lambda:UpdateEventSource",
        ),
        (_answered("SomethingNew"), ""),
        (SSLError(endpoint_url="https://s3", error="self-signed certificate"), "whose certificate AWS_CA_BUNDLE names"),
        (UnauthorizedSSOTokenError(), "log in again, as by aws sso login"),
        (InfiniteLoopConfigError(source_profile="a", visited_profiles=["a"]), "look at AWS's config file"),
        (ConfigParseError(path="~/.aws/config"), "look at AWS's config file"),
        (EndpointResolutionError(msg="no"), "that is no address: give another --endpoint-url"),
    ],
    ids=str,
)
def test_what_aws_says_has_a_remedy(error: Exception, told: str) -> None:
    """Clocks, certificates, expired logins, permissions by their whole name."""
    assert told in remedy(error)
    assert bool(told) == bool(remedy(error))


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        (_answered("AccessDenied", "PutObject"), "these credentials lack the permission s3:PutObject"),
        (EndpointConnectionError(endpoint_url="https://s3"), "nobody answers"),
        (EndpointConnectionError(endpoint_url="https://s3", error=open), "nobody answers"),
        (type("Local", (ValueError,), {})("only this process knows it"), ""),
        (None, ""),
    ],
    ids=str,
)
def test_an_error_of_another_process_has_its_remedy_too(
    cause: Exception | None, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rebuild works in several; what one of them met comes here without its cause, which need not be sendable."""

    def work(*_: Any) -> None:
        raise (Denied if told else Unavailable)("s3://exports/shards/x: no") from cause

    monkeypatch.setattr(workers, "_worker", (None, None, None))
    with pytest.raises(LedgerError) as raised:
        workers._work(work, ())
    there = pickle.loads(pickle.dumps(raised.value))
    assert (type(there), str(there), there.__cause__) == (type(raised.value), str(raised.value), None)
    assert told in remedy(there)
    assert bool(told) == bool(remedy(there))
