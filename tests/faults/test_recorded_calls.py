"""The recorder of what functions ask of AWS: who plays, what a request asks for, and the verdict at the end."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from csv_exporter.publisher import SCHEDULE, keep
from infra.doubles.memory_store import MemoryStore
from infra.waiting import PATIENCE_SECONDS
from ledger.commit import commit
from ledger.ledger import Ledger, no_limit
from ledger.objects import YOUNG, Objects
from ledger.s3_store import S3Store
from operations import bootstrap as bootstrapping
from operations.bootstrap import bootstrap
from operations.live.snapshot import restore
from tests.faults.policies import ARNS, BLIND, EXPORT, IMAGES, MATCHED, NEW, PART, TLS, Context
from tests.support.calls import recorder
from tests.support.calls.players import ENTRIES, OPERATOR, play, playing
from tests.support.calls.requests import UnknownRequest, context_of_operation, of_operation, of_verb, shape
from tests.support.calls.roles import ROLES, Permission, permissions, verdict
from tests.support.factories import insert, make_ledger
from tests.support.paths import ROOT
from tests.support.store_calls import WatchedStore, first
from tests.support.template import TEMPLATE

CSV = f"{EXPORT}/image-data.csv"
SHARD = f"{EXPORT}/shards/x"


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Counter[recorder.Call]:
    """What is recorded from here on, apart from the session's own record."""
    calls: Counter[recorder.Call] = Counter()
    monkeypatch.setattr(recorder, "calls", calls)
    return calls


def _functions(calls: Counter[recorder.Call]) -> set[str]:
    return {function for function, _, _ in calls}


def test_a_test_that_only_looks_plays_no_function(store: MemoryStore, recorded: Counter[recorder.Call]) -> None:
    """What a test itself asks of a double says nothing of a role."""
    store.put_new("shards/x.csv", b"x", "text/csv")
    assert playing() is None
    assert not recorded


def test_a_commit_that_a_test_calls_plays_the_exporter(ledger: Ledger, recorded: Counter[recorder.Call]) -> None:
    """It is what CsvExporter runs."""
    commit(ledger, [insert(1)])
    assert _functions(recorded) == {"CsvExporter"}
    assert recorded["CsvExporter", "s3:PutObject", f"{EXPORT}/journal/x"] == 1


def test_an_operators_command_plays_no_function(ledger: Ledger, recorded: Counter[recorder.Call]) -> None:
    """An operator has rights of his own, also for what a function does as well."""
    root, _ = ledger.load_root()
    restore(ledger, root, "monday")
    assert not recorded


def test_what_a_function_calls_in_its_own_code_is_its_own(ledger: Ledger, recorded: Counter[recorder.Call]) -> None:
    """The schedule publishes: that is no play of its own."""
    ledger.load_root()
    keep(ledger, {"source": SCHEDULE}, no_limit)
    bootstrap(ledger)
    assert _functions(recorded) == {"CsvPublisher", "BootstrapFunction"}
    assert {key for _, action, key in recorded if action == "s3:DeleteObject"} == {f"{EXPORT}/publishing/x"}, (
        "its claim"
    )


def test_a_rival_in_the_middle_plays_for_himself(
    store: MemoryStore, recorded: Counter[recorder.Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test lets an exporter commit, and tampers with the bucket, while Bootstrap runs."""
    monkeypatch.setattr(bootstrapping, "describe", lambda columns: store.delete(["roots/x.json"]) or b"")
    watched = WatchedStore(store)
    watched.on("put_new", "image-data.csv-metadata.json", first(lambda: commit(make_ledger(store, 2), [insert(1)])))
    bootstrap(make_ledger(watched))  # type: ignore[arg-type]
    assert {function for function, _, key in recorded if key == f"{EXPORT}/journal/x"} == {"CsvExporter"}
    assert {action for function, action, _ in recorded if function == "BootstrapFunction"} == {
        "s3:GetObject",
        "s3:PutObject",
        "s3:ListBucket",
    }


def test_a_request_is_counted_once_through_all_doubles(store: MemoryStore, recorded: Counter[recorder.Call]) -> None:
    """A double that passes a call on is no second request."""
    ledger = make_ledger(WatchedStore(WatchedStore(store)))  # type: ignore[arg-type]
    bootstrap(ledger)
    assert recorded["BootstrapFunction", "s3:GetObject", f"{EXPORT}/manifest.json"] == 1


def test_threads_of_a_pool_play_who_sent_them(recorded: Counter[recorder.Call]) -> None:
    """S3Store's own threads have no stack that leads back to the function, which reads root and CSV in them."""
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="anything")
        commit(make_ledger(S3Store("anything")), [insert(1)])  # type: ignore[arg-type]
    assert recorded["CsvExporter", "s3:GetObject", f"{EXPORT}/manifest.json"]
    assert recorded["CsvExporter", "s3:GetObject", CSV]
    assert recorded["CsvExporter", "s3:ListBucket", EXPORT] == 2


@pytest.mark.denied_on_purpose
def test_what_a_role_does_not_allow_is_told_by_function_action_and_resource(
    ledger: Ledger, recorded: Counter[recorder.Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bootstrap writes into the journal, which is the exporter's."""
    monkeypatch.setattr(bootstrapping, "DESCRIPTION_KEY", "journal/x")
    bootstrap(ledger)
    assert recorder.denied == [f"BootstrapFunction may not s3:PutObject on {EXPORT}/journal/x"]


@pytest.mark.denied_on_purpose
def test_what_the_buckets_policy_denies_is_told_of_functions_and_operators(
    store: MemoryStore,
) -> None:
    """The same bytes once more, so that the ETag changes, is fine for a shard; nobody does that to a segment."""
    objects = Objects(store)
    now = objects.now()
    for key in ("shards/x.csv", "journal/x.jsonl.gz"):
        objects.put(key, b"x", "text/csv")
    assert recorder.denied == []
    objects.now = lambda: now + 2 * YOUNG
    objects.put("shards/x.csv", b"x", "text/csv")
    assert recorder.denied == []
    objects.put("journal/x.jsonl.gz", b"x", "text/csv")
    told = f"may not s3:PutObject on {EXPORT}/journal/x like that: WriteOnce"
    assert recorder.denied == [f"an operator {told}"]
    objects.now = lambda: now + 4 * YOUNG
    recorder.denied.clear()
    play("CsvExporter", objects.put, "journal/x.jsonl.gz", b"x", "text/csv")
    assert f"CsvExporter {told}" in recorder.denied


@pytest.mark.parametrize(
    ("operation", "parameters", "context"),
    [
        ("PutObject", {"IfNoneMatch": "*"}, NEW),
        ("PutObject", {"IfMatch": "e"}, MATCHED),
        ("PutObject", {}, BLIND),
        ("CompleteMultipartUpload", {"IfMatch": "e"}, MATCHED),
        ("CopyObject", {}, BLIND),
        ("CreateMultipartUpload", {}, PART),
        ("UploadPart", {}, PART),
        ("UploadPartCopy", {}, PART),
        ("GetObject", {"IfMatch": "e"}, TLS),
    ],
)
def test_a_buckets_policy_sees_conditions_and_parts(
    operation: str, parameters: dict[str, Any], context: Context
) -> None:
    """Enforce conditional writes (S3 User Guide): the requests on parts create no object."""
    assert context_of_operation(operation, parameters) == context


@pytest.mark.denied_on_purpose
def test_a_blind_request_of_boto3_is_denied(recorded: Counter[recorder.Call]) -> None:
    """Also an operator's, of whom no request is counted, and whose other requests nobody has to know."""
    recorder.count_operation("CsvExporter", "PutObject", {"Key": "shards/1.csv"})
    recorder.count_operation(OPERATOR, "CopyObject", {"Key": "manifest.json", "CopySource": {"Key": "roots/1-x.json"}})
    recorder.count_operation(OPERATOR, "DescribeExecution", {})
    assert recorder.denied == [
        f"CsvExporter may not s3:PutObject on {SHARD} like that: NoBlindOverwrite",
        f"an operator may not s3:PutObject on {EXPORT}/manifest.json like that: NoBlindOverwrite",
    ]
    assert _functions(recorded) == {"CsvExporter"}


DENIED = """
import pytest
from infra.doubles.memory_store import MemoryStore
from operations import bootstrap as bootstrapping
from tests.support.factories import make_ledger

@pytest.fixture(autouse=True)
def greedy(monkeypatch):
    monkeypatch.setattr(bootstrapping, "DESCRIPTION_KEY", "journal/x")

def test_denied():
    bootstrapping.bootstrap(make_ledger(MemoryStore()))

@pytest.mark.denied_on_purpose
def test_denied_on_purpose():
    bootstrapping.bootstrap(make_ledger(MemoryStore()))

@pytest.mark.parametrize("number", range(4))
def test_of_a_worker(number):
    pass
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_denied_call_fails_its_test_and_the_summary_adds_up_the_workers(workers: str, tmp_path: Path) -> None:
    """However the code takes the refusal; a test that provokes one on purpose says so."""
    (tmp_path / "test_greedy.py").write_text(DENIED)
    command = [sys.executable, "-m", "pytest", "-p", "tests.support.calls.recorder", "-n", workers, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}/functions:{ROOT}"}
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert "1 failed, 5 passed" in ended.stdout
    assert f"BootstrapFunction may not s3:PutObject on {EXPORT}/journal/x" in ended.stdout
    assert "3 pairs of function and action in 12 calls" in ended.stdout


@pytest.mark.parametrize(
    ("verb", "if_match", "actions"),
    [
        ("get_if_changed", True, {"s3:GetObject"}),
        ("put_if_match", True, {"s3:GetObject", "s3:PutObject"}),
        ("put_if_match", False, {"s3:PutObject"}),
        ("finish_upload", False, {"s3:PutObject"}),
        ("copy_part", True, {"s3:GetObject", "s3:PutObject"}),
        ("delete_if_match", True, {"s3:GetObject", "s3:DeleteObject"}),
    ],
)
def test_a_condition_on_an_etag_asks_for_reading(verb: str, if_match: bool, actions: set[str]) -> None:
    """S3 User Guide, conditional writes and deletes: what is only to be new needs no s3:GetObject."""
    assert {*of_verb(verb, "image-data.csv", if_match=if_match)} == {(action, CSV) for action in actions}


IMAGE, TABLE, OBJECTS = f"{IMAGES}/site/x", ARNS["Images.Arn"], ARNS["Objects.Arn"]


@pytest.mark.parametrize(
    ("function", "operation", "parameters", "asked"),
    [
        ("ImageProcessor", "GetObject", {"Key": "site/1.jpg"}, {("s3:GetObject", IMAGE)}),
        ("ImageProcessor", "HeadObject", {"Key": "site/1.jpg", "VersionId": "v"}, {("s3:GetObjectVersion", IMAGE)}),
        ("CsvExporter", "PutObject", {"Key": "image-data.csv", "IfNoneMatch": "*"}, {("s3:PutObject", CSV)}),
        (
            "CsvExporter",
            "CompleteMultipartUpload",
            {"Key": "image-data.csv", "IfMatch": "e"},
            {("s3:PutObject", CSV), ("s3:GetObject", CSV)},
        ),
        (
            "CsvExporter",
            "UploadPartCopy",
            {"Key": "image-data.csv", "CopySource": {"Key": "shards/1.csv"}},
            {("s3:PutObject", CSV), ("s3:GetObject", SHARD)},
        ),
        ("Collector", "DeleteObjects", {"Delete": {"Objects": [{"Key": "shards/1"}]}}, {("s3:DeleteObject", SHARD)}),
        ("Collector", "ListObjectsV2", {"Prefix": "shards/"}, {("s3:ListBucket", EXPORT)}),
        (
            "ImageProcessor",
            "TransactWriteItems",
            {"TransactItems": [{"Put": {"TableName": "a-Images-1"}}, {"ConditionCheck": {"TableName": "a-Objects-1"}}]},
            {("dynamodb:PutItem", TABLE), ("dynamodb:ConditionCheckItem", OBJECTS)},
        ),
    ],
)
def test_a_request_of_boto3_asks_for(
    function: str, operation: str, parameters: dict[str, Any], asked: set[tuple[str, str]]
) -> None:
    """Actions are not named as operations are, and each item of a transaction has its own."""
    assert {*of_operation(function, operation, parameters)} == asked


def test_a_request_that_nobody_knows_is_no_request_that_asks_for_nothing() -> None:
    """Whoever makes a function send another one has to say what it asks for."""
    with pytest.raises(UnknownRequest):
        list(of_operation("Collector", "PutBucketPolicy", {}))


def test_the_roles_tell_apart_only_what_is_recorded_apart() -> None:
    """Keys are recorded by whole name or first folder: a finer pattern in the template must not go unseen."""
    patterns = {each.resource for each in permissions() if each.resource.startswith(f"{EXPORT}/")}
    keys = {pattern.removeprefix(f"{EXPORT}/") for pattern in patterns}
    assert {key for key in keys if shape(key.replace("*", "x")) != key.replace("*", "x")} == set()


def test_the_verdict_names_what_is_allowed_for_nothing_and_reasons_that_are_none() -> None:
    """A permission is used, or has a reason, and not both."""
    used, unused, excused, stale, gone = (
        Permission("CollectorRole", "s3:GetObject", f"{EXPORT}/{key}") for key in ("a", "b/*", "c", "d/*", "e")
    )
    calls = [("Collector", "s3:GetObject", f"{EXPORT}/{key}") for key in ("a", "d/x")]
    calls += [("CsvExporter", "s3:GetObject", f"{EXPORT}/b/x"), ("Collector", "s3:PutObject", f"{EXPORT}/b/x")]
    assert verdict(calls, {used, unused, excused, stale}, {excused: "so", stale: "so", gone: "so"}) == [
        f"nothing uses {unused}",
        f"it is used, so it needs no reason: {stale}",
        f"no role has what stands with a reason: {gone}",
    ]


def test_every_function_has_entries_and_a_role() -> None:
    """A new function of the template is recorded, too."""
    of_template = {name for name, one in TEMPLATE["Resources"].items() if one["Type"] == "AWS::Serverless::Function"}
    assert of_template == set(ENTRIES) == {*ROLES.values()} - {"BucketCheck", "Replay"}
    assert {each.role for each in permissions()} == set(ROLES)


def test_the_emulators_functions_leave_their_requests(tmp_path: Path) -> None:
    """A process that is a function of the emulator notes what botocore is about to send."""
    program = (
        "import boto3, botocore.config as c;"
        "s3 = boto3.client('s3', config=c.Config(retries={'total_max_attempts': 1}, connect_timeout=1));"
        "s3.put_object(Bucket='b', Key='manifest.json', Body=b'x', IfMatch='e', IfNoneMatch='*')"
    )
    environment = os.environ | {
        "PYTHONPATH": str(recorder.LAMBDA_SITE),
        "AWS_LAMBDA_FUNCTION_NAME": "skyledger-Collector-1ABC",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        recorder.FOLDER: str(tmp_path),
    }
    subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, timeout=PATIENCE_SECONDS, check=False
    )
    (line,) = (line for path in tmp_path.iterdir() for line in path.read_text().splitlines())
    assert json.loads(line) == [
        "skyledger-Collector-1ABC",
        "PutObject",
        {"Bucket": "b", "Key": "manifest.json", "IfMatch": "e", "IfNoneMatch": "*", "TransactItems": []},
    ]
