"""How an invocation of a stream's function ended, and what it says that it left undone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Record = dict[str, Any]  # as the function gets it in event["Records"]


@dataclass(frozen=True, slots=True)
class Invocation:
    """How one invocation ended.

    Attributes:
        response: what the function returned, decoded.
        function_error: what Lambda calls the error (`Unhandled`), or None.
        throttled: the function could not be invoked at all.
        request_id: Lambda's id of the invocation.
    """

    response: Any = None
    function_error: str | None = None
    throttled: bool = False
    request_id: str = ""


def first_failure(response: Any, records: Sequence[Record]) -> int | None:
    """Find where in its batch a function says that it stopped.

    Args:
        response: what the function returned.
        records: the batch.

    Returns:
        Index of the record with the lowest reported sequence number; 0 if the report is not valid, which fails the
        whole batch; None if nothing failed.
    """
    if response is None or response == {}:
        return None
    if not isinstance(response, Mapping):
        return 0
    failures = response.get("batchItemFailures")
    if not failures:
        return None if failures is None or failures == [] else 0
    if not isinstance(failures, list):
        return 0
    places = {record["dynamodb"]["SequenceNumber"]: index for index, record in enumerate(records)}
    named = [failure.get("itemIdentifier") if isinstance(failure, Mapping) else None for failure in failures]
    if any(not isinstance(name, str) or name not in places for name in named):
        return 0
    return places[min((name for name in named if isinstance(name, str)), key=int)]
