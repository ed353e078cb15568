"""How CsvExporter calls CsvPublisher: asynchronously, and once."""

import json
import os
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ledger.errors import Unavailable, Unknown

SOURCE = "skyledger"
DETAIL_TYPE = "CSV Behind"
_SECONDS = 5.0


def payload_of(claim: str, holder: str) -> dict[str, str]:
    """Write the event that CsvPublisher gets."""
    return {"source": SOURCE, "detail-type": DETAIL_TYPE, "claim": claim, "id": holder}


def call_publisher(claim: str, holder: str) -> None:
    """Call CsvPublisher, which `PUBLISHER` names, for a claim, and do not wait for it.

    Lambda puts the event into the function's queue and answers 202 (Lambda Developer Guide, "Invoking a Lambda function
    asynchronously"). Sent twice it would be two calls: so whoever gets no answer leaves it to the schedule.

    Raises:
        Unavailable: Lambda refused.
        Unknown: there was no answer.
    """
    event = json.dumps(payload_of(claim, holder)).encode()
    try:
        _client().invoke(FunctionName=os.environ["PUBLISHER"], InvocationType="Event", Payload=event)
    except ClientError as error:
        raise Unavailable(f"Invoke: {error.response.get('Error', {}).get('Code', '')}") from error
    except BotoCoreError as error:
        raise Unknown(f"Invoke: {type(error).__name__}") from error


@cache
def _client() -> Any:
    config = Config(connect_timeout=_SECONDS, read_timeout=_SECONDS, retries={"total_max_attempts": 1})
    return boto3.client("lambda", config=config)
