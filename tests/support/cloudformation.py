"""CloudFormation as a function sees it that it calls as a custom resource: requests, and an address for the answer."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any


@dataclass
class CloudFormation:
    """What listens behind a custom resource's presigned URL."""

    url: str
    answers: list[dict[str, Any]] = field(default_factory=list)
    content_types: list[str | None] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    def request(self, kind: str, **more: Any) -> dict[str, Any]:
        """Make the event of a request, as AWS documents it."""
        return {
            "RequestType": kind,
            "ResponseURL": self.url,
            "StackId": "arn:aws:cloudformation:eu-west-1:111122223333:stack/survey/1",
            "RequestId": f"request-{kind}",
            "LogicalResourceId": "EmptyCsv",
            "ResourceType": "Custom::EmptyCsv",
            "ResourceProperties": {},
            **more,
        }


@contextmanager
def listening_cloudformation() -> Iterator[CloudFormation]:
    """Listen in CloudFormation's place, on this machine."""

    class Answer(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            listening.answers.append(json.loads(body))
            listening.sizes.append(len(body))
            listening.content_types.append(self.headers["Content-Type"])
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    listening = CloudFormation(f"http://127.0.0.1:{server.server_port}/answer?signature=x%2Fy")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield listening
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
