"""The function works with what its environment names, and tells metrics of whole checks alone, zeros too."""

import json
from typing import Any

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.ledger import Ledger
from operations.bucket.distributed import lambda_steps
from operations.bucket.distributed.lambda_steps import _services, work
from operations.bucket.sources import Sources
from tests.support.checked_buckets import CheckedBuckets
from tests.support.lambda_context import LambdaContext

ENVIRONMENT = {
    "EXPORT_BUCKET": "exports",
    "IMAGES_TABLE": "images",
    "OBJECTS_TABLE": "objects",
    "IMAGE_BUCKETS": "photos,archive",
    "IMAGE_PREFIXES": "a/,b/",
    "SEEN_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/1/lane",
    "AWS_DEFAULT_REGION": "eu-west-1",
}


def test_it_works_with_what_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Buckets, tables, queue; lists have times as S3 writes them; it asks again as often as the lane wants it."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    ledger, aws, every = _services.__wrapped__()
    assert (ledger.store.bucket, aws.exports) == ("exports", "exports")  # type: ignore[attr-defined]
    assert (aws.images, aws.objects, aws.queue) == ("images", "objects", ENVIRONMENT["SEEN_QUEUE_URL"])
    assert every == Sources(("photos", "archive"), ("a/", "b/"))
    assert aws.open_bucket("reports").bucket == "reports"  # type: ignore[attr-defined]
    assert [client.meta.service_model.service_name for client in (aws.s3, aws.dynamodb, aws.sqs)] == [
        "s3",
        "dynamodb",
        "sqs",
    ]


@pytest.mark.parametrize(
    ("wishes", "sent"),
    [
        ({"mode": "verify"}, {"BucketChecked": [2.0], "BucketDifferences": [1.0]}),
        ({"mode": "verify", "place": "s3://photos/a"}, {}),
        ({"mode": "ingest"}, {}),
    ],
)
def test_metrics_are_those_of_whole_checks(
    wishes: dict[str, Any],
    sent: dict[str, list[float]],
    store: MemoryStore,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A part says nothing of the rest: its zero would end the alarm."""
    world = CheckedBuckets(store)
    for key in ("a", "b"):
        world.put(key)
    world.know("b")
    world.export_rows()
    world.looks = 0
    monkeypatch.setattr(lambda_steps, "_services", lambda: (Ledger(store), world.aws, world.sources))
    monkeypatch.setattr(lambda_steps.metrics.provider, "namespace", "Skyledger")
    monkeypatch.setattr(lambda_steps.metrics.provider, "service", "check")
    run = work({"step": "start", "run": "x", "wishes": wishes}, LambdaContext())["prefix"]
    for step in ("look", "cut"):
        told = work({"step": step, "prefix": run}, LambdaContext())
    items = [{"prefix": run, "round": 0, "number": number} for number in range(2)]
    for number in range(told["pieces"]):
        work({"step": "sort", "item": items[0] | {"number": number}}, LambdaContext())
    for item in items[: len(json.loads(store.get(told["ranges_key"]).body))]:
        work({"step": "compare", "item": item}, LambdaContext())
    found = work({"step": "gather", "prefix": run, "round": 0}, LambdaContext())["found"]
    for item in items[:found]:
        work({"step": "settle", "item": item}, LambdaContext())
    capsys.readouterr()
    work({"step": "finish", "prefix": run}, LambdaContext())
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    names = [
        metric["Name"] for line in printed for one in line["_aws"]["CloudWatchMetrics"] for metric in one["Metrics"]
    ]
    assert {name: printed[0][name] for name in names} == sent
