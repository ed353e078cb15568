"""The services that commands speak to, beside S3, in AWS's place."""

import json
from typing import Any

OUTPUTS = {
    "ImagesTableName": "images",
    "ObjectsTableName": "objects",
    "ImagesBucketName": "photos",
    "ExportBucketName": "exports",
    "Version": "0.0.1",
    "ImageDeadLettersUrl": "dead",
    "ImageQueueUrl": "queue",
    "SeenDeadLettersUrl": "dead seen",
    "SeenQueueUrl": "seen",
    "ImageBuckets": "photos,archive",
    "StreamMappingId": "mapping",
    "ReplayStateMachineArn": "machine",
    "BucketCheckStateMachineArn": "check",
}


class Services:
    """The calls that the commands make of CloudFormation, SQS, Lambda and Step Functions; no others."""

    def __init__(self) -> None:
        sent = {"SentTimestamp": "1795576140123"}
        letter = {"MessageId": "1", "ReceiptHandle": "r", "Attributes": sent}
        self.messages = {"dead": [letter | {"Body": "event"}], "dead seen": [letter | {"Body": "seen"}]}
        self.sent: list[tuple[str, str]] = []
        self.switched: list[dict[str, Any]] = []
        self.started: list[dict[str, Any]] = []
        self.statuses = ["RUNNING", "SUCCEEDED"]
        self.output: dict[str, Any] = {"tree": "abc", "same": True}

    def describe_stacks(self, StackName: str) -> Any:  # noqa: N803
        return {"Stacks": [{"Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in OUTPUTS.items()]}]}

    def get_queue_attributes(self, QueueUrl: str, **_: Any) -> Any:  # noqa: N803
        waits = {"ApproximateNumberOfMessages": str(len(self.messages.get(QueueUrl, [])))}
        return {"Attributes": waits | {"ApproximateNumberOfMessagesNotVisible": "0"}}

    def receive_message(self, QueueUrl: str, **asked: Any) -> Any:  # noqa: N803
        assert "SentTimestamp" in asked["MessageSystemAttributeNames"]
        found, self.messages[QueueUrl] = self.messages[QueueUrl], []
        return {"Messages": found}

    def send_message_batch(self, QueueUrl: str, Entries: list[Any]) -> Any:  # noqa: N803
        self.sent += [(QueueUrl, one["MessageBody"]) for one in Entries]
        return {"Successful": [{"Id": one["Id"]} for one in Entries]}

    def delete_message_batch(self, **_: Any) -> Any:
        return {"Successful": []}

    def get_event_source_mapping(self, **_: Any) -> Any:
        return {"State": "Enabled"}

    def update_event_source_mapping(self, **arguments: Any) -> Any:
        self.switched.append(arguments)
        return {"State": "Enabling" if arguments["Enabled"] else "Disabling"}

    def start_execution(self, **arguments: Any) -> Any:
        self.started.append(arguments)
        return {"executionArn": "execution"}

    def describe_execution(self, **_: Any) -> Any:
        status = self.statuses.pop(0)
        # There is an output only if it succeeded, and an error only if it failed (API reference, DescribeExecution).
        ends = {"SUCCEEDED": {"output": json.dumps(self.output)}, "RUNNING": {}}
        return {"status": status} | ends.get(status, {"error": "X", "cause": "why"})

    def list_map_runs(self, **_: Any) -> Any:
        return {"mapRuns": [{"mapRunArn": "arn:mapRun:machine/Reduce:1"}]}

    def describe_map_run(self, **_: Any) -> Any:
        return {"itemCounts": {"succeeded": 3, "total": 7}}
