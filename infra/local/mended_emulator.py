"""The emulator (ministack): four things mended that AWS does, and that this project needs, and two that take memory.

- Events of S3 on EventBridge name the version of the object, and hold no field that S3 does not know: a deletion has
  neither size nor ETag, a restoration no sequencer (S3 User Guide, "EventBridge event message structure").
- A rule of EventBridge sends to a queue whose policy lets it (where permissions are checked at all), and to its dead
  letters what the queue refuses (EventBridge User Guide, "Using dead-letter queues to process undelivered events").
- An export of a table writes its files, in the form that the DynamoDB Developer Guide describes ("DynamoDB table
  export output format"): a full one from the items that the emulator holds, an incremental one from the table's stream.
  Point-in-time recovery begins here when the emulator starts, or the table is made: earlier times are refused, as AWS
  does (API reference, ExportTableToPointInTime, InvalidExportTimeException), and so are full exports of another time
  than now.
- A range of one version of an object is that range (S3 API reference, GetObject: Range and versionId are independent).
- When it stops, it writes its tables as they are, and not a copy of them, which would take as much memory again.
- Of the logs of each function it keeps those of the last invocations: there is a stream for each, and no retention.

A program of its own, run by the emulator's interpreter; so it imports nothing of the project. Names with an underscore
are the emulator's, whose version is pinned; `tests/e2e/test_mended_emulator.py` says so when one of them has moved.
"""

import base64
import gzip
import hashlib
import json
import os
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

cloudwatch_logs: Any = import_module("ministack.services.cloudwatch_logs")
dynamodb: Any = import_module("ministack.services.dynamodb")
eventbridge: Any = import_module("ministack.services.eventbridge")
lambda_svc: Any = import_module("ministack.services.lambda_svc")
s3: Any = import_module("ministack.services.s3")
sqs: Any = import_module("ministack.services.sqs")

DATA_FILES = 2  # AWS writes one for each partition at least
BEGUN = time.time()
LOGS_KEPT = 1_000  # of invocations of a function
SHORTEST_WINDOW, LONGEST_WINDOW = 15 * 60, 24 * 3600  # seconds (AWS Database Blog, "Introducing incremental export")

_fire, _dispatch, _invoke = s3._fire_s3_event, eventbridge._dispatch_event, eventbridge._invoke_target
_get_object = s3._get_object
_start_export, _get_state = dynamodb._export_table_to_point_in_time, dynamodb.get_state
_emit_logs = lambda_svc._emit_lambda_logs
_version: ContextVar[str | None] = ContextVar("version of the object that an event is about", default=None)


def fire(*arguments: Any, version_id: str | None = None, **more: Any) -> None:
    """Tell of an object; its version is remembered on the way to EventBridge, where the emulator forgets it."""
    _version.set(version_id)  # each event has a thread and a context of its own
    _fire(*arguments, version_id=version_id, **more)


def dispatch(event: dict[str, Any], view: Any = None) -> None:
    """Send an event to the rules' targets, one of S3 as S3 writes it."""
    if event["Source"] == "aws.s3":
        detail = json.loads(event["Detail"])
        detail["object"] = as_s3_writes(detail["object"], event["DetailType"], _version.get())
        event = {**event, "Detail": json.dumps(detail), "Time": f"{event['Time'][:19]}Z"}
    _dispatch(event, view)


def as_s3_writes(entity: dict[str, Any], detail_type: str, version_id: str | None) -> dict[str, Any]:
    """Give `detail.object` the fields that S3 gives it."""
    unknown = {"size", "etag"} if detail_type == "Object Deleted" else set()
    if entity["sequencer"] == "0":
        unknown.add("sequencer")
    known = {name: value for name, value in entity.items() if name not in unknown}
    return {**known, "version-id": version_id} if version_id else known


def invoke(target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None) -> None:
    """Send an event to a rule's target, or to the target's dead letters."""
    if ":sqs:" not in target["Arn"]:
        _invoke(target, event, rule, view)
        return
    queues = (target["Arn"], target.get("DeadLetterConfig", {}).get("Arn"))
    taker = next((arn for arn in queues if arn and _takes(arn, rule["Arn"])), None)
    if taker:
        _invoke({**target, "Arn": taker}, event, rule, view)


def _takes(queue: str, rule: str) -> bool:
    return bool(sqs.queue_policy_allows(queue, "events.amazonaws.com", rule, s3.get_account_id()))


def get_object(bucket: str, key: str, headers: dict[str, str], query: dict[str, Any] | None = None) -> Any:
    """Read an object, or a range of it, of a version as well: the emulator gives the whole of a version."""
    asked = headers.get("range")
    if not asked or not (query or {}).get("versionId"):
        return _get_object(bucket, key, headers, query)
    # A part of an object comes without the checksum of the whole.
    status, told, body = _get_object(bucket, key, {**headers, "x-amz-checksum-mode": ""}, query)
    if status != 200:
        return status, told, body
    found = s3._parse_range(asked, len(body))
    if found is None:
        whole = {"Content-Type": "application/xml", "Content-Range": f"bytes */{len(body)}"}
        return 416, whole, s3._xml_body(s3._range_error_xml(bucket, key))
    first, last = found
    part = {"Content-Length": str(last + 1 - first), "Content-Range": f"bytes {first}-{last}/{len(body)}"}
    return 206, {**told, **part}, body[first : last + 1]


def export(request: dict[str, Any]) -> Any:
    """Start an export of a table, and be done with it by the next look."""
    window = request.get("IncrementalExportSpecification")
    table = dynamodb._tables.get(dynamodb._table_name_from_arn(request.get("TableArn", "")))
    if window and table and (refusal := _refusal(window, table)):
        return dynamodb.error_response_json(*refusal, 400)
    answer = _start_export(request)
    if answer[0] == 200:
        description = dynamodb._exports[json.loads(answer[2])["ExportDescription"]["ExportArn"]]
        if description["ExportStatus"] == "IN_PROGRESS":
            description.update(_finish(description | ({"IncrementalExportSpecification": window} if window else {})))
    return answer


def _refusal(window: dict[str, Any], table: dict[str, Any]) -> tuple[str, str] | None:
    """Say why changes of a time cannot be exported: the code and the message; None if they can."""
    since, until = window["ExportFromTime"], window["ExportToTime"]
    if not SHORTEST_WINDOW <= until - since <= LONGEST_WINDOW:
        return "ValidationException", "an incremental export is of 15 minutes at least, and of 24 hours at most"
    if since < BEGUN and table["CreationDateTime"] + 1 <= BEGUN:  # which is of whole seconds
        begun = _time_text(BEGUN)
        return "InvalidExportTimeException", f"here point-in-time recovery begins with the emulator, at {begun}"
    return None


def _finish(description: dict[str, Any]) -> dict[str, Any]:
    """Write an export's files; give what its description says then."""
    if "ExportTime" in description:
        return _failed("NoHistory", "the emulator knows a whole table as it is now, and nothing of earlier times")
    bucket = description["S3Bucket"]
    if bucket not in s3._buckets:
        return _failed("S3NoSuchBucket", f"no bucket {bucket}")
    table = dynamodb._table_name_from_arn(description["TableArn"])
    name = description["ExportArn"].rpartition("/")[2]
    prefix = "/".join(filter(None, (description.get("S3Prefix"), "AWSDynamoDB")))
    if window := description.get("IncrementalExportSpecification"):
        lines, data = _changes(table, window), f"{prefix}/data/{name}-"  # a folder that all incremental exports share
        times = {"exportFromTime": _time_text(window["ExportFromTime"])}
        times |= {"exportToTime": _time_text(window["ExportToTime"]), "outputView": "NEW_AND_OLD_IMAGES"}
    else:
        lines, data = [{"Item": item} for item in _items(table)], f"{prefix}/{name}/data/"
        times = {"exportTime": _time_text(description["StartTime"])}
    listed = [_write_data(bucket, f"{data}{part}.json.gz", lines[part::DATA_FILES]) for part in range(DATA_FILES)]
    files_key, summary_key = f"{prefix}/{name}/manifest-files.json", f"{prefix}/{name}/manifest-summary.json"
    _put(bucket, files_key, b"".join(json.dumps(one).encode() + b"\n" for one in listed))
    summary = {
        "version": "2023-08-01",
        "exportArn": description["ExportArn"],
        "exportType": description["ExportType"],
        **times,
        "tableArn": description["TableArn"],
        "s3Bucket": bucket,
        "s3Prefix": description.get("S3Prefix"),
        "manifestFilesS3Key": files_key,
        "billedSizeBytes": 0,
        "itemCount": len(lines),
        "outputFormat": description["ExportFormat"],
    }
    _put(bucket, summary_key, json.dumps(summary).encode())
    return {
        "ExportStatus": "COMPLETED",
        "ExportManifest": summary_key,
        "ExportTime": description["StartTime"],
        "EndTime": datetime.now(UTC).timestamp(),
        "ItemCount": len(lines),
        "BilledSizeBytes": 0,
    }


def _failed(code: str, message: str) -> dict[str, Any]:
    return {"ExportStatus": "FAILED", "FailureCode": code, "FailureMessage": message}


def _items(table: str) -> list[dict[str, Any]]:
    """Give a table's items in an order that tells nothing, as the partitions' own does."""
    with dynamodb._lock:
        items = [item for of_one_key in dynamodb._tables[table]["items"].values() for item in of_one_key.values()]
        return sorted(items, key=lambda item: hashlib.sha256(json.dumps(item, sort_keys=True).encode()).digest())


def _changes(table: str, window: dict[str, Any]) -> list[dict[str, Any]]:
    """Give what became of each item in a time: one line, with the image before the first change and after the last.

    An item that came and went in it is not in it.
    """
    lines: dict[str, dict[str, Any]] = {}
    for record in dynamodb.stream_live_records(table):
        change = record["dynamodb"]
        seconds = change["ApproximateCreationDateTime"]
        if not window["ExportFromTime"] <= seconds < window["ExportToTime"]:
            continue
        line = lines.setdefault(
            json.dumps(change["Keys"]), {"Keys": change["Keys"], "OldImage": change.get("OldImage")}
        )
        line |= {"NewImage": change.get("NewImage"), "Metadata": {"WriteTimestampMicros": {"N": f"{seconds}000000"}}}
    told = [{name: value for name, value in line.items() if value} for line in lines.values()]
    return [line for line in told if "OldImage" in line or "NewImage" in line]


def _write_data(bucket: str, key: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    body = gzip.compress(b"".join(json.dumps(item).encode() + b"\n" for item in items))
    _put(bucket, key, body)
    digest = hashlib.md5(body, usedforsecurity=False)
    return {
        "itemCount": len(items),
        "md5Checksum": base64.b64encode(digest.digest()).decode(),
        "etag": f"{digest.hexdigest()}-1",
        "dataFileS3Key": key,
    }


def _put(bucket: str, key: str, body: bytes) -> None:
    status, *_ = s3._put_object(bucket, key, body, {})
    if status != 200:
        raise RuntimeError(f"the export's file {key} could not be written: {status}")


def get_state() -> dict[str, Any]:
    """Give what of DynamoDB is written when the emulator stops, and nothing changes any more."""
    tables = dynamodb._tables
    dynamodb._tables = type(tables)()
    try:
        state: dict[str, Any] = _get_state()
    finally:
        dynamodb._tables = tables
    for place, table in tables.all_items():
        kept = {name: value for name, value in table.items() if name != dynamodb._INDEX_MEMBERS}
        state["tables"].set_scoped(*place, kept)
    return state


def emit_logs(*arguments: Any, **more: Any) -> None:
    """Write the log of an invocation, and forget those of long ago."""
    _emit_logs(*arguments, **more)
    for group in list(cloudwatch_logs._log_groups.values()):
        streams = group["streams"]
        while len(streams) > LOGS_KEPT:
            streams.pop(next(iter(streams)), None)


def _time_text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


if __name__ == "__main__":
    if not os.environ["SKYLEDGER_STREAMS"]:  # somebody else reads them
        lambda_svc._poll_dynamodb_streams = lambda: False
    s3._fire_s3_event, eventbridge._dispatch_event, eventbridge._invoke_target = fire, dispatch, invoke
    s3._get_object = get_object
    dynamodb._export_table_to_point_in_time, dynamodb.get_state = export, get_state
    lambda_svc._emit_lambda_logs = emit_logs
    import_module("ministack.app").main()
