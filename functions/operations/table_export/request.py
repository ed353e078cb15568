"""Start a DynamoDB export to S3 and wait for it: the way to read a whole table without a Scan or read capacity.

The table must have point-in-time recovery (the template switches it on). An export costs per GB of the table (full) or
of its changes (incremental), and takes minutes (DynamoDB Developer Guide, "DynamoDB data export to Amazon S3").
"""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from ledger.keys import TABLE_EXPORTS
from operations.errors import ExportFailed
from operations.progress import Progress

# The progress of an export is not told; the bar shows that time passes and how much is usual.
_USUAL_SECONDS = 600
_LOOK_SECONDS = 10.0


def start_export(
    dynamodb: Any, table: str, bucket: str, window: tuple[datetime, datetime] | None = None, *, token: str = ""
) -> str:
    """Start an export of a table as it is now, or of its changes in a time; give the export's ARN.

    Asked for again within eight hours with the same `token`, it is the same export, and costs nothing more (API
    reference, ExportTableToPointInTime, ClientToken).
    """
    arn = dynamodb.describe_table(TableName=table)["Table"]["TableArn"]
    more: dict[str, Any] = {"ClientToken": token} if token else {}
    if window is not None:
        more |= {
            "ExportType": "INCREMENTAL_EXPORT",
            "IncrementalExportSpecification": {
                "ExportFromTime": window[0],
                "ExportToTime": window[1],
                "ExportViewType": "NEW_AND_OLD_IMAGES",
            },
        }
    answer = dynamodb.export_table_to_point_in_time(
        TableArn=arn, S3Bucket=bucket, S3Prefix=TABLE_EXPORTS.rstrip("/"), ExportFormat="DYNAMODB_JSON", **more
    )
    return str(answer["ExportDescription"]["ExportArn"])


def wait_for_export(dynamodb: Any, arn: str, progress: Progress, sleep: Callable[[float], None] = time.sleep) -> str:
    """Wait until an export is done; give the key of its summary.

    Raises:
        ExportFailed: it failed; the message says why.
    """
    waited = 0.0
    while True:
        summary_key = finished_export(dynamodb, arn)
        if summary_key is not None:
            progress("exporting the table", 1, 1)
            return summary_key
        progress("exporting the table", int(waited), max(_USUAL_SECONDS, int(waited * 1.1)))
        sleep(_LOOK_SECONDS)
        waited += _LOOK_SECONDS


def finished_export(dynamodb: Any, arn: str) -> str | None:
    """Give the key of an export's summary; None while it goes on.

    Raises:
        ExportFailed: it failed; the message says why.
    """
    export = dynamodb.describe_export(ExportArn=arn)["ExportDescription"]
    if export["ExportStatus"] == "FAILED":
        raise ExportFailed(f"the export failed: {export.get('FailureCode')}, {export.get('FailureMessage')}")
    return str(export["ExportManifest"]) if export["ExportStatus"] == "COMPLETED" else None
