"""At deployment: an empty system has an image-data.csv too, with the header alone, and the page beside it.

CloudFormation calls this as a custom resource (AWS, "Custom resource request objects"). Of the data it only creates
what is missing, so that an upgrade, or a second call, changes nothing; deleting the stack deletes no data.
"""

import json
import os
import urllib.request
from typing import Any

from aws_lambda_powertools import Logger

from ledger.csvw import DESCRIPTION_TYPE, describe
from ledger.keys import DESCRIPTION_KEY
from ledger.ledger import Ledger
from ledger.publish import publish
from ledger.s3_store import S3Store
from operations.page.files import upload_page

logger = Logger()
_ANSWER_SECONDS = 10
_REASON_CHARACTERS = 500  # the whole answer may have 4,096 bytes


def bootstrap(ledger: Ledger) -> int:
    """Create the empty root, the CSV and its description where they are missing; give the root's version."""
    root, _ = ledger.load_root()
    ledger.store.put_new(DESCRIPTION_KEY, describe(root.columns), DESCRIPTION_TYPE)
    return publish(ledger).version


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer a custom resource request; called without one (by hand), just do the work."""
    status, reason = "SUCCESS", ""
    try:
        if event.get("RequestType") != "Delete":
            ledger = Ledger(S3Store(os.environ["EXPORT_BUCKET"]))
            version, files = bootstrap(ledger), upload_page(ledger.store)
            logger.info("ledger is there", version=version, page_files_written=files)
    except Exception as error:
        logger.exception("bootstrap failed")
        if "ResponseURL" not in event:
            raise
        status, reason = "FAILED", f"{type(error).__name__}: {error}"
    if "ResponseURL" in event:
        _answer(event, status, reason)
    return {"Status": status}


def _answer(event: dict[str, Any], status: str, reason: str) -> None:
    body = {
        "Status": status,
        "Reason": reason[:_REASON_CHARACTERS] or "done",
        "PhysicalResourceId": event.get("PhysicalResourceId", "skyledger"),
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    content = json.dumps(body, ensure_ascii=False).encode()
    # CloudFormation's presigned URL wants no content type.
    request = urllib.request.Request(event["ResponseURL"], content, {"Content-Type": ""}, method="PUT")
    with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS):
        pass
