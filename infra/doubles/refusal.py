"""The SDK's errors for requests that a service refused."""

from typing import Any

from botocore.exceptions import ClientError


def refusal(
    code: str,
    status: int,
    reasons: list[dict[str, Any]] | None = None,
    retries: int = 0,
    *,
    request: str = "TransactWriteItems",
) -> ClientError:
    """Make the SDK's error for an answer.

    Args:
        code: of the error, which is its message, too.
        status: of HTTP.
        reasons: why each write of a transaction was refused.
        retries: how often the SDK had sent the request again.
        request: what was refused.
    """
    response: dict[str, Any] = {
        "Error": {"Code": code, "Message": code},
        "ResponseMetadata": {"HTTPStatusCode": status, "RetryAttempts": retries},
    }
    if reasons is not None:
        response["CancellationReasons"] = reasons
    return ClientError(response, request)
