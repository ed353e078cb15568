"""The CsvExporter function as Lambda calls it: its report, what it logs and counts, and what it never calls."""

import io
import json
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import botocore.session
import pytest
from moto import mock_aws

from csv_exporter import handler as exporter
from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from ledger.errors import ManifestLost, OutOfTime, Refused, Unavailable
from ledger.publish import MAX_TRIES
from tests.support.factories import START, event, insert, item, leave_waiting, make_ledger, model_csv, modify, remove
from tests.support.lambda_context import LambdaContext
from tests.support.reader import read_csv, read_root
from tests.support.store_calls import WatchedStore, refuse

committing = import_module("ledger.commit")  # the module: the package gives the function

BUCKET = "export-bucket"


@pytest.fixture
def watched(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> WatchedStore:
    """The store of the warm function's ledger."""
    watched = WatchedStore(store)
    monkeypatch.setattr(exporter, "_ledger", make_ledger(watched))  # type: ignore[arg-type]
    return watched


@pytest.fixture(autouse=True)
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the function logs."""
    stream = io.StringIO()
    monkeypatch.setattr(exporter.logger.registered_handler, "stream", stream)
    monkeypatch.setattr(exporter.metrics.provider, "namespace", "Skyledger")
    monkeypatch.setattr(exporter.metrics.provider, "service", "CsvExporter")
    exporter.metrics.provider.clear_metrics()
    yield stream
    exporter.metrics.provider.clear_metrics()


def log_lines(logged: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in logged.getvalue().splitlines()]


def emf(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The one line of embedded metrics that the invocation printed."""
    (line,) = capsys.readouterr().out.splitlines()
    metrics: dict[str, Any] = json.loads(line)
    return metrics


def ages(measured: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in measured.items() if name.endswith("Age")}


def invoke(*events: Any, seconds: float = 60.0) -> Any:
    return exporter.handler({"Records": list(events)}, LambdaContext(int(seconds * 1000)))


def test_a_batch_is_in_the_csv_when_the_function_answers(watched: WatchedStore, store: MemoryStore) -> None:
    """Events in, one commit and one publish, nothing to deliver again."""
    assert invoke(insert(1), insert(2), modify(1, 2)) == {"batchItemFailures": []}
    assert read_csv(store) == model_csv([item(1, 2), item(2)])


def test_the_log_line_says_what_became_of_the_batch(watched: WatchedStore, logged: io.StringIO) -> None:
    invoke(insert(1), insert(2))
    (line,) = log_lines(logged)
    assert line["message"] == "batch committed"
    assert line["function_request_id"] == LambdaContext.aws_request_id
    assert (line["version"], line["commits"], line["published"]) == (1, 1, 1)
    assert line["segment"].startswith("date=2026-11-25/hour=08/2-3-")
    assert line["uploaded"] == len(model_csv([item(1), item(2)]))


def test_a_redelivered_batch_says_so_in_the_log(watched: WatchedStore, store: MemoryStore, logged: io.StringIO) -> None:
    """X1: the second call changes no byte of the CSV, and its log line says that it committed nothing."""
    invoke(insert(1))
    before = dict(store.objects)
    invoke(insert(1))
    assert store.objects == before
    line = log_lines(logged)[-1]
    assert (line["commits"], line["uploaded"], line["version"], line["published"]) == (0, 0, 1, 1)


def test_counts_go_out_as_embedded_metrics(
    watched: WatchedStore, store: MemoryStore, logged: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    """CloudWatch reads them from the log; every alarm of the template stands on one of these names."""
    foreign = insert(2, iso={"S": "auto"}, make={"N": "1"})
    invoke(insert(1), foreign, insert(3), remove(3), event("INSERT", item(4, ingested_at={"S": "never"})))
    assert log_lines(logged)[-1]["unusable"] == {"iso": 1, "make": 1}
    metrics = emf(capsys)
    (declared,) = metrics["_aws"]["CloudWatchMetrics"]
    assert declared["Namespace"] == "Skyledger"
    assert {one["Name"]: one["Unit"] for one in declared["Metrics"]}["CsvBytes"] == "Bytes"
    assert metrics["service"] == "CsvExporter"
    measured = {one["Name"]: metrics[one["Name"]][0] for one in declared["Metrics"]}
    timed = ("CommitSeconds", "PublishSeconds", "RootAge", "FileAge")
    assert all(measured.pop(name) >= 0 for name in timed)
    assert measured == {
        "Events": 5,
        "RowsPut": 2,
        "EventsQuarantined": 1,
        "FieldsUnusable": 2,
        "GapsOpen": 0,
        "Rows": 2,
        "CsvBytes": read_root(store).rows.bytes,
        "BatchesPublished": 1,
    }


def test_a_batch_that_came_when_the_stream_forgets_is_a_gap(
    watched: WatchedStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """The function tells the commit when it was called; the alarm stands on the metric."""
    exporter.ledger().now = lambda: START.timestamp() + 86_400
    invoke(insert(1))
    assert emf(capsys)["GapsOpen"] == [1]


def test_a_batch_of_the_stream_may_be_relied_upon(
    watched: WatchedStore, store: MemoryStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lambda delivers it until the function has answered: it leads others, and takes claims to publish seriously."""
    invoke(insert(1))
    present = store.head("image-data.csv").metadata["root"]
    store.put_new(f"publishing/{present}", b"somebody", "text/plain")
    leave_waiting(make_ledger(store, 7), [insert(7)])
    exporter.ledger().met_others()
    capsys.readouterr()
    assert invoke(insert(2)) == {"batchItemFailures": []}
    assert read_root(store).rows.rows == 3, "led"
    measured = emf(capsys)
    assert measured["SegmentsCombined"] == [1]
    assert measured["BatchesPublished"] == [0], "left to somebody, who has not done it yet"
    assert read_csv(store) == model_csv([item(1)])


def test_a_batch_that_a_leader_took_along_counts_as_combined(
    watched: WatchedStore, store: MemoryStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """At both: the dashboard compares it with the batches that came."""
    leader, follower = make_ledger(store, 7), exporter.ledger()
    for one in (leader, follower):
        one.met_others()
    follower.sleep = lambda seconds: commit(leader, [insert(7)]) and None
    invoke(insert(2))
    assert emf(capsys)["SegmentsCombined"] == [1]
    assert read_csv(store) == model_csv([item(2), item(7)])


def test_both_ages_are_told_in_seconds(watched: WatchedStore, capsys: pytest.CaptureFixture[str]) -> None:
    """Root and file: of the batch's oldest event, wherever it stands; clocks differ, and nothing is negative."""
    exporter.ledger().now = lambda: START.timestamp() + 100
    invoke(event("INSERT", item(1), seconds=70), event("INSERT", item(2), sequence=2, seconds=40))
    assert ages(emf(capsys)) == {"RootAge": [60], "FileAge": [60]}
    exporter.ledger().now = lambda: START.timestamp()
    invoke(event("INSERT", item(4), seconds=1))
    assert ages(emf(capsys)) == {"RootAge": [0], "FileAge": [0]}


def test_the_file_is_as_old_as_what_others_left_unpublished(
    watched: WatchedStore, store: MemoryStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """The root is not: each batch tells of its own. Whoever finds the CSV published tells of no age of it."""
    exporter.ledger().now = lambda: START.timestamp() + 100
    invoke(insert(1))
    commit(make_ledger(store, 3), [event("INSERT", item(2), sequence=2, seconds=20)])
    capsys.readouterr()
    invoke(event("INSERT", item(3), sequence=3, seconds=90))
    assert ages(emf(capsys)) == {"RootAge": [10], "FileAge": [80]}
    invoke(event("INSERT", item(3), sequence=3, seconds=90))
    assert ages(emf(capsys)) == {"RootAge": [10]}


def test_a_batch_that_fails_grows_older_all_the_same(watched: WatchedStore, capsys: pytest.CaptureFixture[str]) -> None:
    """An alarm on the root's age must not fall silent because nothing gets into it; without a time there is none."""
    exporter.ledger().now = lambda: START.timestamp() + 1000
    watched.on("get", "manifest.json", refuse(Unavailable("SlowDown")), times=2)
    for record, told in ((insert(1), {"RootAge": [1000]}), ({"eventName": "INSERT"}, {})):
        with pytest.raises(Unavailable):
            invoke(record)
        assert ages(emf(capsys)) == told


def test_a_photo_is_followed_from_its_etag_to_segment_and_version(
    watched: WatchedStore, logged: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    """The etag stands in ImageProcessor's line too; a long batch names its first images, and its segment all."""
    invoke(*[insert(number) for number in range(30)])
    (line,) = log_lines(logged)
    assert line["etags"] == [item(number)["etag"]["S"] for number in range(exporter.LOGGED_ETAGS)]
    assert (line["first_sequence_number"], line["last_sequence_number"], line["events"]) == ("1", "30", 30)
    assert line["segment"].split("/")[-1].startswith("1-30-")
    watched.on("get", "manifest.json", refuse(Unavailable("SlowDown")))
    with pytest.raises(Unavailable):
        invoke({"eventName": "INSERT", "dynamodb": {}})
    assert log_lines(logged)[-1]["etags"] == [""]


def test_late_and_foreign_deliveries_are_counted(watched: WatchedStore, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where they change nothing, and so no root is written."""
    invoke(insert(1), insert(2))
    invoke(remove(1))
    capsys.readouterr()
    invoke(insert(1), insert(2))
    metrics = emf(capsys)
    assert (metrics["PutsAfterRemoval"], metrics["StaleChanges"]) == ([1], [1])
    invoke(event("MODIFY", item(2, make={"S": "by hand"}), item(2), sequence=7))
    assert emf(capsys)["ForeignWrites"] == [1]


def test_what_the_time_does_not_allow_is_reported_from_the_lowest_number(
    watched: WatchedStore, store: MemoryStore
) -> None:
    """X2: compared as integers: 9 is lower than 101. Nothing is published of a batch that is not finished."""
    answer = invoke(insert(1, sequence=101), insert(2, sequence=9), insert(3, sequence=1000), seconds=5)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "9"}]}
    assert "image-data.csv" not in store.objects
    invoke(insert(2, sequence=9), insert(1, sequence=101), insert(3, sequence=1000))
    assert read_csv(store) == model_csv([item(1), item(2), item(3)])


def test_the_reported_number_is_one_of_the_batch_as_received(watched: WatchedStore) -> None:
    """X2: Lambda takes an identifier that is not in the batch as a failure of all of it."""
    batch = [insert(number, sequence=10**25 + number) for number in range(3)]
    batch[1]["dynamodb"]["SequenceNumber"] = "000" + batch[1]["dynamodb"]["SequenceNumber"]
    (failure,) = invoke(*batch[1:], seconds=1)["batchItemFailures"]
    assert failure["itemIdentifier"] == batch[1]["dynamodb"]["SequenceNumber"]


def test_unfinished_records_without_a_number_fail_the_whole_batch(watched: WatchedStore) -> None:
    """AWS: an empty identifier is a complete failure, so that all of it comes again."""
    numberless = insert(1)
    del numberless["dynamodb"]["SequenceNumber"]
    assert invoke(insert(2), numberless, seconds=1) == {"batchItemFailures": [{"itemIdentifier": ""}]}


def test_a_poison_record_is_neither_reported_nor_in_the_way(watched: WatchedStore, store: MemoryStore) -> None:
    """X2: it lies in quarantine, so delivering it again for a day would change nothing but the neighbours' age."""
    poison = event("INSERT", item(2, ingested_at={"S": "never"}), sequence=101)
    assert invoke(insert(1, sequence=100), poison, insert(3, sequence=102)) == {"batchItemFailures": []}
    assert read_csv(store) == model_csv([item(1), item(3)])
    answer = invoke(insert(1, sequence=100), poison, insert(4, sequence=103), seconds=5)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "100"}]}


@pytest.mark.parametrize("payload", [{"Records": []}, {}])
def test_an_empty_batch_is_a_success_without_a_store_call(
    payload: dict[str, Any], watched: WatchedStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exporter.handler(payload, LambdaContext()) == {"batchItemFailures": []}
    assert watched.calls == []
    assert emf(capsys)["Events"] == [0]


def test_the_schedule_publishes_what_nobody_else_sees_to(
    store: MemoryStore, watched: WatchedStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever promised to publish may have died without being delivered again; no further event need come.

    It always sends its zero: an alarm reckons with the metric where no batch comes.
    """
    behind = commit(make_ledger(store), [insert(1)])
    assert "image-data.csv" not in store.objects
    assert exporter.handler({"source": "aws.events", "detail-type": "Scheduled Event"}, LambdaContext()) == {
        "batchItemFailures": []
    }
    assert read_csv(store) == model_csv([item(1)])
    assert read_root(store) == behind.root
    assert emf(capsys)["BatchesPublished"] == [0, 1]
    exporter.handler({"source": "aws.events"}, LambdaContext())
    assert emf(capsys)["BatchesPublished"] == [0]


def test_the_schedule_makes_no_first_root(store: MemoryStore, watched: WatchedStore) -> None:
    """A deployment that is being rolled back must find its bucket as it left it: empty."""
    assert exporter.handler({"source": "aws.events"}, LambdaContext()) == {"batchItemFailures": []}
    assert store.objects == {}


def test_the_schedule_tells_of_a_lost_root(store: MemoryStore, watched: WatchedStore) -> None:
    """A bucket with shards and no root is not a ledger that has none yet."""
    store.put_new("shards/x.csv", b"x", "text/csv")
    with pytest.raises(ManifestLost):
        exporter.handler({"source": "aws.events"}, LambdaContext())


def test_a_publish_that_runs_out_of_time_does_not_fail_the_batch_that_is_committed(
    store: MemoryStore, watched: WatchedStore, logged: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is cut in two, blocked or put aside for it: the schedule is bound to publish what is behind."""
    watched.on("put_if_match", "image-data.csv", refuse(Refused("PreconditionFailed")), times=MAX_TRIES)
    assert invoke(insert(1)) == {"batchItemFailures": []}
    assert read_root(store).rows.rows == 1
    assert "image-data.csv" not in store.objects
    assert emf(capsys)["BatchesPublished"] == [0]
    warning, line = log_lines(logged)
    assert (warning["level"], warning["message"]) == ("WARNING", "publishing is left to the schedule")
    assert (line["message"], line.get("published")) == ("batch committed", None)
    assert exporter.handler({"source": "aws.events"}, LambdaContext()) == {"batchItemFailures": []}
    assert read_csv(store) == model_csv([item(1)])


def test_a_schedule_that_runs_out_of_time_says_so(watched: WatchedStore) -> None:
    """Then nobody publishes: the invocation fails, and the alarm on errors tells."""
    commit(make_ledger(watched.store), [insert(1)])
    watched.on("put_if_match", "image-data.csv", refuse(Refused("PreconditionFailed")), times=99)
    with pytest.raises(OutOfTime):
        exporter.handler({"source": "aws.events"}, LambdaContext())


@pytest.mark.parametrize("error", [Unavailable("SlowDown"), ManifestLost("manifest.json is missing")])
def test_a_batch_that_cannot_be_promised_fails_whole(
    error: Exception, watched: WatchedStore, logged: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    """S3 is down, or an operator is needed: the error reaches Lambda, which delivers all of it again."""
    watched.on("get", "manifest.json", refuse(error))
    secret = "51.4777 N"
    with pytest.raises(type(error)):
        invoke(insert(1, description={"S": secret}))
    (line,) = log_lines(logged)
    assert (line["level"], line["message"], line["events"]) == ("ERROR", "batch failed", 1)
    assert line["error"] == type(error).__name__
    assert secret not in logged.getvalue(), "no item's content goes to the log"
    assert emf(capsys)["BatchesPublished"] == [0]


def test_a_publish_that_fails_fails_the_batch_and_the_next_mends_it(
    watched: WatchedStore, store: MemoryStore, logged: io.StringIO
) -> None:
    """The commit stands; delivered again, the batch changes nothing and publishes what is behind."""
    watched.on("put_if_match", "image-data.csv", refuse(Unavailable("SlowDown")))
    with pytest.raises(Unavailable):
        invoke(insert(1))
    assert read_root(store).rows.rows == 1
    invoke(insert(1))
    assert read_csv(store) == model_csv([item(1)])
    assert log_lines(logged)[-1]["commits"] == 0


def test_a_batch_that_changes_nothing_publishes_what_a_dead_exporter_committed(
    watched: WatchedStore, store: MemoryStore
) -> None:
    commit(make_ledger(store, 3), [insert(1), insert(2)])
    invoke(insert(1))
    assert read_csv(store) == model_csv([item(1), item(2)])


def test_conflicts_are_no_failure(watched: WatchedStore, capsys: pytest.CaptureFixture[str]) -> None:
    watched.on("put_if_match", "manifest.json", refuse(Refused("PreconditionFailed")), after=1)
    assert invoke(insert(1)) == {"batchItemFailures": []}
    assert emf(capsys)["Conflicts"] == [1]
    assert committing.MAX_CONFLICTS > 1


@mock_aws
def test_the_exporter_reads_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Scan, Query, GetItem or BatchGetItem, by whatever client: only S3 is ever spoken to, cold and warm."""
    clients: list[str] = []
    calls: list[str] = []
    create = botocore.session.Session.create_client

    def watch(self: Any, service_name: str, *arguments: Any, **named: Any) -> Any:
        client = create(self, service_name, *arguments, **named)
        clients.append(service_name)
        client.meta.events.register(
            "before-call", lambda model, **rest: calls.append(f"{service_name}:{model.name}"), unique_id="watch"
        )
        return client

    for name, value in {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("EXPORT_BUCKET", BUCKET)
    monkeypatch.setattr(exporter, "_ledger", None)
    s3 = botocore.session.Session().create_client("s3", region_name="eu-west-1")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    monkeypatch.setattr(botocore.session.Session, "create_client", watch)

    batches = [
        [insert(1), insert(2), insert(3)],
        [modify(1, 2), remove(2)],
        [insert(1)],
        [event("INSERT", item(9, ingested_at={"S": "never"}))],
        [event("MODIFY", item(50, 4, etag=item(3)["etag"]), item(3, 3), sequence=9)],
    ]
    for batch in batches:
        assert invoke(*batch) == {"batchItemFailures": []}

    assert set(clients) == {"s3"}
    assert clients == ["s3", "s3"], "made once, when the function is cold"
    assert {call.partition(":")[0] for call in calls} == {"s3"}
    assert {"s3:GetObject", "s3:PutObject", "s3:HeadObject"} <= set(calls)
    forbidden = {"Scan", "Query", "GetItem", "BatchGetItem"}
    assert not forbidden & {call.partition(":")[2] for call in calls}
    body = s3.get_object(Bucket=BUCKET, Key="image-data.csv")["Body"].read()
    assert body == model_csv([item(1, 2), item(50, 4, etag=item(3)["etag"])])
