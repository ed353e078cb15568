"""The CsvPublisher function as Lambda calls it, and how CsvExporter calls it."""

import io
import json
import os
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError

from csv_exporter import call, publisher
from csv_exporter import handler as exporter
from csv_exporter.call import payload_of
from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from ledger.errors import ManifestLost, OutOfTime, Refused, Unavailable
from ledger.event import read_event
from ledger.journal import segment_of
from ledger.keys import SYMLINKS_KEY
from ledger.shard_list import put_list, shards_of
from tests.support.factories import insert, item, make_ledger, model_csv
from tests.support.lambda_context import LambdaContext
from tests.support.reader import read_csv, read_root
from tests.support.store_calls import WatchedStore, first, refuse
from tests.unit.csv_exporter.conftest import answered, client_of, emf, log_lines


def test_the_schedule_publishes_what_nobody_else_sees_to(
    store: MemoryStore, watched: WatchedStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever promised to publish may have died without being delivered again; no further event need come.

    It always sends its zero: an alarm reckons with the metric where no batch comes.
    """
    behind = commit(make_ledger(store), [insert(1)])
    assert "image-data.csv" not in store.objects
    publisher.handler({"source": "aws.events", "detail-type": "Scheduled Event", "id": "1"}, LambdaContext())
    assert read_csv(store) == model_csv([item(1)])
    assert read_root(store) == behind.root
    assert emf(capsys)["BatchesPublished"] == [0, 1]
    publisher.handler({"source": "aws.events"}, LambdaContext())
    assert emf(capsys)["BatchesPublished"] == [0]


def test_the_schedule_makes_no_first_root(store: MemoryStore, watched: WatchedStore) -> None:
    """A deployment that is being rolled back must find its bucket as it left it: empty."""
    publisher.handler({"source": "aws.events"}, LambdaContext())
    assert store.objects == {}


def test_the_schedule_tells_of_a_lost_root(store: MemoryStore, watched: WatchedStore) -> None:
    """A bucket with shards and no root is not a ledger that has none yet."""
    store.put_new("shards/x.csv", b"x", "text/csv")
    with pytest.raises(ManifestLost):
        publisher.handler({"source": "aws.events"}, LambdaContext())


def test_who_cannot_publish_says_so(watched: WatchedStore, logged: io.StringIO) -> None:
    """The invocation fails: Lambda calls again, and the alarm on errors tells."""
    commit(make_ledger(watched.store), [insert(1)])
    watched.on("put_if_match", "image-data.csv", refuse(Refused("PreconditionFailed")), times=99)
    with pytest.raises(OutOfTime):
        publisher.handler({"source": "aws.events"}, LambdaContext())
    assert [line["message"] for line in log_lines(logged)] == ["publishing failed"]


def test_each_version_that_is_published_has_its_line_and_counts(
    store: MemoryStore, watched: WatchedStore, logged: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    """One invocation publishes what is committed meanwhile as well."""
    other = make_ledger(store, 7)
    commit(other, [insert(1)])
    watched.on("put_if_match", "image-data.csv", first(lambda: commit(other, [insert(2)])))
    publisher.handler(payload_of("publishing/none", "1"), LambdaContext())
    lines = log_lines(logged)
    assert [(line["message"], line["version"]) for line in lines] == [("published", 1), ("published", 2)]
    assert [line["uploaded"] for line in lines] == [len(model_csv([item(1)])), len(model_csv([item(1), item(2)]))]
    measured = emf(capsys)
    assert measured["BatchesPublished"] == [1, 1]
    assert len(measured["PublishSeconds"]) == 2


def test_the_schedule_renews_lists_of_shards_after_it_has_published(
    store: MemoryStore, watched: WatchedStore, logged: io.StringIO
) -> None:
    """Whoever is called for a claim has something else to do; and a list that fails keeps no file from its readers."""
    made = make_ledger(store)
    root = commit(made, [insert(1)]).root
    put_list(made, root, shards_of(made, root), SYMLINKS_KEY, "exports", None)
    commit(made, [insert(2)])
    publisher.handler(payload_of("publishing/none", "1"), LambdaContext())
    assert store.get(SYMLINKS_KEY).metadata["version"] == "1"
    publisher.handler({"source": "aws.events"}, LambdaContext())
    assert store.get(SYMLINKS_KEY).metadata["version"] == "2"
    assert [line["message"] for line in log_lines(logged)] == ["published", "lists of shards renewed"]
    commit(made, [insert(3)])
    watched.on("head", SYMLINKS_KEY, refuse(Unavailable("SlowDown")))
    with pytest.raises(Unavailable):
        publisher.handler({"source": "aws.events"}, LambdaContext())
    assert read_csv(store) == model_csv([item(1), item(2), item(3)])


@dataclass
class Requests:
    """What Lambda is asked for, and what it answers: a status, or an error of the line."""

    answer: int | Exception = 202
    made: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def take(self, request: Any, **_: Any) -> AWSResponse:
        self.made.append(
            (request.url, str(request.headers["X-Amz-Invocation-Type"], "ascii"), json.loads(request.body))
        )
        if isinstance(self.answer, Exception):
            raise self.answer
        return answered(request, self.answer)


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Requests:
    """Lambda, as the exporter of a deployed stack finds it."""
    made = Requests()
    client = client_of("lambda", "Invoke", made.take)
    monkeypatch.setattr(call, "_client", lambda: client)
    monkeypatch.setenv("PUBLISHER", "arn:aws:lambda:eu-west-1:111122223333:function:publisher")
    return made


def export(*events: Any) -> None:
    """Let an exporter that meets others, so that even a small CSV is handed over, take a batch."""
    exporter.ledger().met_others()
    assert exporter.handler({"Records": list(events)}, LambdaContext()) == {"batchItemFailures": []}


def test_the_exporter_calls_the_publisher_and_does_not_wait_for_it(
    store: MemoryStore, watched: WatchedStore, requests: Requests, capsys: pytest.CaptureFixture[str]
) -> None:
    """Asynchronously, with the claim that it made; with what it sent the publisher does its part."""
    export(insert(1))
    ((url, kind, event),) = requests.made
    assert "/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A111122223333%3Afunction%3Apublisher/invocations" in url
    assert kind == "Event"
    batch = segment_of([read_event(insert(1))]).first_record
    assert event == {"source": "skyledger", "detail-type": "CSV Behind", "claim": "publishing/none", "id": batch}
    assert emf(capsys)["BatchesPublished"] == [0]
    assert "image-data.csv" not in store.objects
    publisher.handler(event, LambdaContext())
    assert read_csv(store) == model_csv([item(1)])
    assert not [*store.list("publishing/")]


@pytest.mark.parametrize("answer", [429, 500, ReadTimeoutError(endpoint_url="lambda")])
def test_a_publisher_that_cannot_be_called_does_not_fail_the_batch(
    answer: int | Exception, store: MemoryStore, watched: WatchedStore, requests: Requests, logged: io.StringIO
) -> None:
    """Sent once, so that it is not called twice; the batch is committed, and the schedule publishes."""
    requests.answer = answer
    export(insert(1))
    assert len(requests.made) == 1
    assert not [*store.list("publishing/")]
    warning, line = log_lines(logged)
    assert (warning["level"], warning["message"]) == ("WARNING", "publishing is left to the schedule")
    assert line["message"] == "batch committed"
    publisher.handler({"source": "aws.events"}, LambdaContext())
    assert read_csv(store) == model_csv([item(1)])


def test_the_call_is_sent_once() -> None:
    """A second one would be a second copy in flight; and it ends long before the invocation does."""
    with mock.patch.dict(os.environ, {"AWS_DEFAULT_REGION": "eu-west-1"}):
        config = call._client.__wrapped__().meta.config
    assert config.retries["total_max_attempts"] == 1
    assert config.connect_timeout + config.read_timeout <= 10
