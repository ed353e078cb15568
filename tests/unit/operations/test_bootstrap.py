"""At deployment: an empty CSV, its root and its description, created once, and CloudFormation answered."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.columns import NAMES
from ledger.commit import commit
from ledger.csvw import describe
from ledger.errors import ManifestLost
from ledger.keys import DESCRIPTION_KEY
from ledger.ledger import Ledger
from operations import bootstrap as bootstrapping
from operations.bootstrap import bootstrap, handler
from tests.support.factories import insert, make_ledger, model_csv
from tests.support.reader import read_csv, read_root
from tests.support.store_calls import WatchedStore


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
            "StackId": "arn:aws:cloudformation:eu-west-1:111122223333:stack/sky/1",
            "RequestId": f"request-{kind}",
            "LogicalResourceId": "EmptyCsv",
            "ResourceType": "Custom::EmptyCsv",
            "ResourceProperties": {},
            **more,
        }


@pytest.fixture
def cloudformation() -> Iterator[CloudFormation]:
    """A local HTTP server in CloudFormation's place."""

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
    yield listening
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def watched(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> WatchedStore:
    """The export bucket that the function finds through its environment."""
    watched = WatchedStore(store)
    monkeypatch.setenv("EXPORT_BUCKET", "export-bucket")
    monkeypatch.setattr(bootstrapping, "S3Store", lambda bucket: watched if bucket == "export-bucket" else None)
    return watched


def test_an_empty_system_has_a_csv_a_root_and_a_description(store: MemoryStore, ledger: Ledger) -> None:
    """X7: the object exists from deployment with the header line only."""
    assert bootstrap(ledger) == 0
    assert read_csv(store) == model_csv([])
    assert read_root(store).version == 0
    assert store.objects[DESCRIPTION_KEY][0].body == describe(NAMES)
    assert store.objects[DESCRIPTION_KEY][1] == "application/csvm+json"


def test_an_upgrade_changes_nothing(store: MemoryStore, ledger: Ledger) -> None:
    """Create-only: a stack that has data keeps root, CSV and description to the byte."""
    bootstrap(ledger)
    commit(ledger, [insert(1)])
    bootstrap(ledger)
    before = dict(store.objects)
    assert bootstrap(make_ledger(store, 2)) == 1
    assert store.objects == before


def test_a_description_that_is_there_is_kept(store: MemoryStore, ledger: Ledger) -> None:
    """It belongs to the root's columns, which a newer code does not change by being deployed."""
    store.put_new(DESCRIPTION_KEY, b"{}", "application/csvm+json")
    bootstrap(ledger)
    assert store.objects[DESCRIPTION_KEY][0].body == b"{}"


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_cloudformation_is_answered_when_the_csv_is_there(
    kind: str, cloudformation: CloudFormation, watched: WatchedStore, store: MemoryStore
) -> None:
    """AWS, custom resource response objects: ids as received, a physical id that stays, no content type."""
    more = {"PhysicalResourceId": "kept-id"} if kind == "Update" else {}
    assert handler(cloudformation.request(kind, **more), None) == {"Status": "SUCCESS"}
    assert cloudformation.answers == [
        {
            "Status": "SUCCESS",
            "Reason": "done",
            "PhysicalResourceId": "kept-id" if kind == "Update" else "skyledger",
            "StackId": "arn:aws:cloudformation:eu-west-1:111122223333:stack/sky/1",
            "RequestId": f"request-{kind}",
            "LogicalResourceId": "EmptyCsv",
        }
    ]
    assert cloudformation.content_types == [""]
    assert read_csv(store) == model_csv([])


def test_deleting_the_stack_deletes_no_data(
    cloudformation: CloudFormation, watched: WatchedStore, store: MemoryStore, ledger: Ledger
) -> None:
    """Delete is answered, and the bucket is not even looked at."""
    bootstrap(ledger)
    before = dict(store.objects)
    handler(cloudformation.request("Delete", PhysicalResourceId="kept-id"), None)
    assert cloudformation.answers[0]["Status"] == "SUCCESS"
    assert watched.calls == []
    assert store.objects == before


def test_a_failure_is_told_to_cloudformation(
    cloudformation: CloudFormation, watched: WatchedStore, store: MemoryStore
) -> None:
    """A lost manifest stops the deployment with the reason, instead of an hour's wait; nothing is created over it."""
    store.put_new("shards/x.csv", b"x", "text/csv")
    assert handler(cloudformation.request("Create"), None) == {"Status": "FAILED"}
    (answer,) = cloudformation.answers
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("ManifestLost: manifest.json is missing although shards/x.csv exists")
    assert set(store.objects) == {"shards/x.csv"}


def test_a_reason_fits_into_the_answer(
    cloudformation: CloudFormation, watched: WatchedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CloudFormation takes answers of up to 4,096 bytes; a longer one would be no answer."""

    def fail(ledger: Ledger) -> int:
        raise RuntimeError("é" * 10_000)

    monkeypatch.setattr(bootstrapping, "bootstrap", fail)
    handler(cloudformation.request("Create"), None)
    assert cloudformation.answers[0]["Reason"].startswith("RuntimeError: é")
    assert cloudformation.sizes[0] <= 4096


def test_called_by_hand_it_does_the_work_and_raises(watched: WatchedStore, store: MemoryStore) -> None:
    """Without a request there is nobody to answer."""
    assert handler({}, None) == {"Status": "SUCCESS"}
    assert read_csv(store) == model_csv([])
    store.put_new("shards/x.csv", b"x", "text/csv")
    store.delete(["manifest.json"])
    with pytest.raises(ManifestLost):
        handler({}, None)
