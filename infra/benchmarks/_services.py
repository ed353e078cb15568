"""The services beside S3 that commands speak to, answered over HTTP with as little as the commands need of them.

A stack has outputs; an export of a table is done as soon as it is asked for, and was written before; queues take what
they are sent, and dead letters lie in those for dead letters. The forms are those of botocore's service models: JSON
with a target (DynamoDB, SQS), a query that is answered in XML (CloudFormation), and paths (Lambda). What else is asked
is an error, so that no command can seem to do what nobody has answered.
"""

import json
import threading
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from infra.local.servers import LOOPBACK, Stoppable

STACK = "survey"
_TABLES = "arn:aws:dynamodb:us-east-1:111122223333:table/"
_AT_ONCE = 10  # messages of an answer (SQS API reference, ReceiveMessage)
_MAPPINGS, _MAPPING = "/2015-03-31/event-source-mappings/", "00000000-0000-0000-0000-000000000000"
_QUEUES = {"ImageQueueUrl": "images", "ImageDeadLettersUrl": "images-dead"} | {
    "SeenQueueUrl": "seen",
    "SeenDeadLettersUrl": "seen-dead",
}


class Services(Stoppable):
    """A stack's services on a loopback port.

    Attributes:
        endpoint_url: where they answer.
        exports: the summary of the export of each table, by the table's name: to be set before one is asked for.
        sent: messages by queue.
    """

    def __init__(self, bucket: str, images_bucket: str, dead_letters: int) -> None:
        """Start.

        Args:
            bucket: the export bucket.
            images_bucket: whose objects count.
            dead_letters: how many lie in each queue for them.
        """
        self.exports: dict[str, str] = {}
        self.sent: Counter[str] = Counter()
        self._bucket, self._enabled = bucket, True
        self._lock = threading.Lock()
        self._letters = {name: dead_letters for name in _QUEUES.values() if name.endswith("-dead")}
        self._server = ThreadingHTTPServer((LOOPBACK, 0), _handler_of(self))
        self.endpoint_url = f"http://{LOOPBACK}:{self._server.server_port}"
        self._outputs = {name: f"{self.endpoint_url}/111122223333/{queue}" for name, queue in _QUEUES.items()} | {
            "ExportBucketName": bucket,
            "ImageBuckets": images_bucket,
            "ImagesTableName": "Images",
            "ObjectsTableName": "Objects",
            "StreamMappingId": _MAPPING,
        }
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()

    def stacks(self) -> str:
        """Answer DescribeStacks."""
        outputs = "".join(
            f"<member><OutputKey>{name}</OutputKey><OutputValue>{escape(value)}</OutputValue></member>"
            for name, value in self._outputs.items()
        )
        stacks = f"<Stacks><member><StackName>{STACK}</StackName><Outputs>{outputs}</Outputs></member></Stacks>"
        return f"<DescribeStacksResponse><DescribeStacksResult>{stacks}</DescribeStacksResult></DescribeStacksResponse>"

    def mapping(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Answer for the mapping, which is switched by `asked` if that says so."""
        self._enabled = asked.get("Enabled", self._enabled)
        return {"UUID": _MAPPING, "State": "Enabled" if self._enabled else "Disabled"}

    def answer(self, operation: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Answer an operation of DynamoDB or SQS."""
        queue = asked.get("QueueUrl", "").rpartition("/")[2]
        match operation:
            case "DescribeTable":
                return {"Table": {"TableArn": f"{_TABLES}{asked['TableName']}"}}
            case "ExportTableToPointInTime":
                return {"ExportDescription": {"ExportArn": f"{asked['TableArn']}/export/1"}}
            case "DescribeExport":
                table = asked["ExportArn"].removeprefix(_TABLES).partition("/")[0]
                done = {"ExportStatus": "COMPLETED", "ExportManifest": self.exports[table], "S3Bucket": self._bucket}
                return {"ExportDescription": done}
            case "GetQueueAttributes":
                count = str(self._letters.get(queue, 0))
                names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
                return {"Attributes": dict(zip(names, (count, "0"), strict=True))}
            case "ReceiveMessage":
                return {"Messages": self._take(queue)}
            case "SendMessageBatch":
                with self._lock:
                    self.sent[queue] += len(asked["Entries"])
                return {"Successful": [{"Id": one["Id"]} for one in asked["Entries"]], "Failed": []}
            case "DeleteMessageBatch":
                return {"Successful": [{"Id": one["Id"]} for one in asked["Entries"]], "Failed": []}
        raise NotImplementedError(operation)

    def _take(self, queue: str) -> list[dict[str, Any]]:
        with self._lock:
            count = min(_AT_ONCE, self._letters[queue])
            self._letters[queue] -= count
        letter = {"ReceiptHandle": "r", "Body": "{}", "Attributes": {"SentTimestamp": "0"}}
        return [letter | {"MessageId": str(number)} for number in range(count)]


def _handler_of(services: Services) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # a connection is kept, as AWS does
        disable_nagle_algorithm = True  # else the body waits for 40 ms behind the head

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if target := self.headers.get("X-Amz-Target"):
                self._say(json.dumps(services.answer(target.rpartition(".")[2], json.loads(body))))
            elif parse_qs(body)["Action"] == ["DescribeStacks"]:
                self._say(services.stacks())
            else:
                raise NotImplementedError(body)

        def do_GET(self) -> None:
            self._mapping({})

        def do_PUT(self) -> None:
            self._mapping(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _mapping(self, asked: Mapping[str, Any]) -> None:
            if self.path != _MAPPINGS + _MAPPING:
                raise NotImplementedError(self.path)
            self._say(json.dumps(services.mapping(asked)))

        def _say(self, text: str) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing of what went well; an error is told by the server."""

    return Handler
