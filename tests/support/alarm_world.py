"""Both functions with the metrics that come of calling them, held against the alarms of the template."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import pytest
from moto import mock_aws

from csv_exporter import handler as exporter
from csv_exporter import publisher
from image_processor import handler as processor
from infra.doubles.memory_store import MemoryStore
from ledger.claim import claim_key
from ledger.commit import commit
from ledger.errors import Unavailable
from ledger.keys import ROOT_KEY
from ledger.manifest import encode_root
from ledger.pace import explained
from operations.bucket.distributed import lambda_steps
from tests.support.alarm_model import Alarm, Metrics
from tests.support.bucket_world import PHOTOS, World, sqs_message
from tests.support.factories import START, event, item, make_ledger
from tests.support.lambda_context import LambdaContext
from tests.support.store_calls import WatchedStore, refuse
from tests.support.template import TEMPLATE

STACK = "skyledger"
ALARMS = [name for name, one in TEMPLATE["Resources"].items() if one["Type"] == "AWS::CloudWatch::Alarm"]
BEGIN = int(START.timestamp())
MINUTE = 60


def resolve(node: Any) -> Any:
    """Resolve references: parameters to their defaults, resources to their names."""
    if isinstance(node, list):
        return [resolve(one) for one in node]
    if not isinstance(node, Mapping):
        return node
    if set(node) == {"Ref"}:
        return _named(node["Ref"])
    if set(node) == {"Fn::GetAtt"}:
        return ".".join(node["Fn::GetAtt"])
    if set(node) == {"Fn::Sub"}:
        return re.sub(r"\$\{([^}]+)\}", lambda match: str(_named(match[1])), node["Fn::Sub"])
    return {name: resolve(one) for name, one in node.items()}


def _named(name: str) -> Any:
    if name in TEMPLATE["Parameters"]:
        return TEMPLATE["Parameters"][name]["Default"]
    return {"AWS::StackName": STACK, "AWS::Region": "eu-west-1"}.get(name, name)


def alarm(name: str) -> Alarm:
    return Alarm(resolve(TEMPLATE["Resources"][name]["Properties"]))


def service(function: str) -> str:
    variables = TEMPLATE["Resources"][function]["Properties"]["Environment"]["Variables"]
    return str(resolve(variables["POWERTOOLS_SERVICE_NAME"]))


class System:
    """Both functions, and the metrics that come of calling them.

    Attributes:
        photo_printed: what ImageProcessor printed of one new photo.
    """

    def __init__(self, store: WatchedStore, photo_printed: str) -> None:
        self.store = store
        self.photo_printed = photo_printed
        self.metrics = Metrics()
        self.now = float(BEGIN)

    def photo(self, **how: Any) -> None:
        """Let ImageProcessor say what it said of a new photo."""
        self.process(lambda: print(self.photo_printed), **how)

    def process(self, call: Callable[[], Any], **how: Any) -> None:
        self.metrics.invoke(self.now, "ImageProcessor", call, **how)

    def export(self, *events: Any, late: float = 0.0, **how: Any) -> None:
        """Let CsvExporter see changes; without any, one that is `late` by so many seconds."""
        batch = list(events) or [event("INSERT", item(int(self.now) - BEGIN), seconds=int(self.now - late) - BEGIN)]
        self.metrics.invoke(
            self.now, "CsvExporter", lambda: exporter.handler({"Records": batch}, LambdaContext()), **how
        )

    def sweep(self) -> None:
        """Let CsvPublisher be called by its schedule."""
        call = {"source": publisher.SCHEDULE}
        self.metrics.invoke(self.now, "CsvPublisher", lambda: publisher.handler(call, LambdaContext()))

    def file_is_overdue(self, seconds: float) -> None:
        """Let the schedule find a commit that nobody has published, though somebody claims to."""
        number, ledger = 10**6 + int(self.now) - BEGIN, exporter.ledger()
        self.now -= seconds + explained(0)
        commit(ledger, [event("INSERT", item(number), sequence=number)])
        self.now += seconds + explained(0)
        self.store.put_new(claim_key(ledger.present_csv()), b"somebody", "text/plain")
        self.sweep()

    def healthy(self, minutes: int) -> None:
        """Photos come, one a minute, and nothing is wrong."""
        self.during(minutes, self.well)

    def well(self) -> None:
        """Let a photo come and be exported."""
        self.photo()
        self.export()
        self.sweep()
        self.aws("AWS/Lambda", "IteratorAge", 900, FunctionName="CsvExporter")
        self.aws("AWS/SQS", "ApproximateAgeOfOldestMessage", 2, QueueName="ImageQueue.QueueName")
        self.aws("AWS/SQS", "ApproximateNumberOfMessagesVisible", 0, QueueName="ImageDeadLetters.QueueName")
        self.aws("AWS/SQS", "ApproximateAgeOfOldestMessage", 6 * 86400, QueueName="SeenQueue.QueueName")
        self.aws("AWS/SQS", "ApproximateNumberOfMessagesVisible", 0, QueueName="SeenDeadLetters.QueueName")
        self.aws("AWS/Lambda", "AsyncEventsDropped", 0, FunctionName="CsvPublisher")
        for function in ("ImageProcessor", "CsvExporter", "CsvPublisher"):
            self.aws("AWS/Lambda", "Throttles", 0, FunctionName=function)

    def aws(self, namespace: str, name: str, value: float, **dimensions: str) -> None:
        """Add what AWS itself measures."""
        self.metrics.add(self.now, namespace, name, value, **dimensions)

    def during(self, minutes: int, each: Callable[[], Any]) -> None:
        """Do something every minute."""
        for _ in range(minutes):
            each()
            self.now += MINUTE

    def strange_message(self) -> None:
        """Let ImageProcessor get a message that is no event of S3."""
        batch = {"Records": [sqs_message(1, "no event")]}
        self.process(lambda: processor.handler(batch, LambdaContext()))

    def store_is_down(self) -> None:
        self.store.on("get", ROOT_KEY, refuse(Unavailable("SlowDown")))
        self.export()

    def event_is_not_taken(self) -> None:
        """Let EventBridge refuse what a publish announces."""
        refused = patch.object(exporter, "announce", side_effect=Unavailable("PutEvents: InternalFailure"))
        with patch.dict(os.environ, EVENT_BUS="photos", EXPORT_BUCKET="export"), refused:
            self.export()

    def check_buckets(self, differences: int) -> None:
        """Let a check of the buckets end that found so many differences."""
        told = {"whole": True, "checked": {"objects": 1000}, "count": differences}
        call = {"step": "finish", "prefix": "bucket-check/x/"}
        with (
            patch.object(lambda_steps, "_services", lambda: (None, None, None)),
            patch.object(lambda_steps, "do", lambda *_: told),
        ):
            self.metrics.invoke(self.now, "BucketWorker", lambda: lambda_steps.work(call, LambdaContext()))

    def close_gaps(self) -> None:
        """Do to the root what a backfill does when it has repaired them."""
        ledger = exporter.ledger()
        root, etag = ledger.load_root()
        mended = root.successor("mended", checkpoint=replace(root.checkpoint, gaps=()))
        self.store.put_if_match(ROOT_KEY, encode_root(mended), etag, "application/json", {})


_photo_printed: list[str] = []


def make_system(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> System:
    """Make a system on an empty ledger; namespace and services are named as the template does."""
    namespace = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]["POWERTOOLS_METRICS_NAMESPACE"]
    modules = {"ImageProcessor": processor, "CsvExporter": exporter, "BucketWorker": lambda_steps}
    for function, module in modules.items():
        monkeypatch.setattr(module.metrics.provider, "namespace", namespace)
        monkeypatch.setattr(module.metrics.provider, "service", service(function))
        module.metrics.provider.clear_metrics()
    if not _photo_printed:  # what ImageProcessor prints of a new photo, really read and written; once for all tests
        with mock_aws(), monkeypatch.context() as patched:
            world = World()
            patched.setattr(processor, "intake", lambda: world.intake)
            record = world.put("1.jpg", PHOTOS[0])
            _photo_printed.append(Metrics().invoke(0, "ImageProcessor", lambda: world.deliver(record)))
    made = System(WatchedStore(store), _photo_printed[0])
    ledger = make_ledger(made.store)  # type: ignore[arg-type]
    ledger.now = lambda: made.now
    store._now = lambda: datetime.fromtimestamp(made.now, UTC)  # what is written is stamped by the same clock
    monkeypatch.setattr(exporter, "_ledger", ledger)
    monkeypatch.setattr(processor, "intake", lambda: None)  # what comes without an event needs none
    return made


def measured(namespace: str, name: str, value: float, **dimensions: str) -> Callable[[System], None]:
    """Measure this in a minute; nothing of our own can make AWS's metric."""
    return lambda system: system.aws(namespace, name, value, **dimensions)
