"""Custom resources: CloudFormation is answered, and passing trouble is waited out while there is time.

Sources: CloudFormation User Guide, "Custom resource request objects" and "Custom resource response objects". IAM is
eventually consistent ("Changes that I make are not always immediately visible", IAM User Guide, Troubleshoot IAM; it
names no time, users see seconds): a role that was just made may be denied what it allows. So what fails in passing is
tried again while there is time.
"""

import json
import urllib.request
from collections.abc import Callable
from typing import Any, TypeVar

from aws_lambda_powertools import Logger

T = TypeVar("T")

logger = Logger()
# A try is begun only with so much time left: it ends with its first request that fails, and a client gives one up
# after three waits of 23 s. What remains is for the answer.
TRY_SECONDS = 100.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 10.0
_ANSWER_SECONDS = 10
_REASON_CHARACTERS = 500  # the whole answer may have 4,096 bytes


class Patience:
    """Calls again what failed for passing trouble, while there is time for one more try.

    Args:
        context: of the invocation; without one nothing is tried again.
        sleep: lets so many seconds pass.
        passing: errors that may pass.
    """

    def __init__(self, context: Any, sleep: Callable[[float], None], *passing: type[Exception]) -> None:
        self._sleep, self._context, self._passing = sleep, context, passing
        self._pause = _FIRST_PAUSE_SECONDS

    def wait(self) -> bool:
        """Wait a while before one more try; False, and at once, if there is no time for it."""
        left = self._context.get_remaining_time_in_millis() / 1000 if self._context else 0.0
        if left < self._pause + TRY_SECONDS:
            return False
        self._sleep(self._pause)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_SECONDS)
        return True

    def call(self, action: Callable[[], T]) -> T:
        """Call the action until it is done; raises what it raised last."""
        while True:
            try:
                return action()
            except self._passing as error:
                logger.warning("refused, or not answered", error=str(error))
                if not self.wait():
                    raise


def answered(event: dict[str, Any], physical_id: str, work: Callable[[], None]) -> dict[str, Any]:
    """Do the work of a request and answer it; called without one (by hand), just do the work.

    Args:
        event: the request.
        physical_id: of the resource, if CloudFormation does not say it.
        work: what is asked for; what it raises is the reason of a failure.
    """
    status, reason = "SUCCESS", ""
    try:
        work()
    except Exception as error:
        logger.exception("the request failed")
        if "ResponseURL" not in event:
            raise
        status, reason = "FAILED", f"{type(error).__name__}: {error}"
    if "ResponseURL" in event:
        _answer(event, physical_id, status, reason)
    return {"Status": status}


def _answer(event: dict[str, Any], physical_id: str, status: str, reason: str) -> None:
    body = {
        "Status": status,
        "Reason": reason[:_REASON_CHARACTERS] or "done",
        "PhysicalResourceId": event.get("PhysicalResourceId", physical_id),
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    content = json.dumps(body, ensure_ascii=False).encode()
    # CloudFormation's presigned URL wants no content type.
    request = urllib.request.Request(event["ResponseURL"], content, {"Content-Type": ""}, method="PUT")
    with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS):
        pass
