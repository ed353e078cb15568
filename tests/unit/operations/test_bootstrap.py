"""At deployment: an empty CSV, its root and its description, created once, and CloudFormation answered."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import orjson
import pytest

from infra.doubles.fault_store import Call
from infra.doubles.memory_store import MemoryStore
from ledger import s3_store
from ledger.assemble import metadata_of
from ledger.columns import NAMES
from ledger.commit import commit
from ledger.csvw import describe
from ledger.errors import NewerFormat, Unavailable, Unknown
from ledger.keys import CSV_KEY, DESCRIPTION_KEY, ROOT_KEY
from ledger.ledger import Ledger
from ledger.manifest import decode_root, encode_root
from ledger.publish import publish
from operations import bootstrap as bootstrapping
from operations import custom_resource
from operations.bootstrap import bootstrap, handler
from operations.custom_resource import TRY_SECONDS
from operations.page.files import page_files
from tests.faults.policies import asked_by, role_of
from tests.support.cloudformation import CloudFormation
from tests.support.factories import insert, item, make_ledger, model_csv
from tests.support.lambda_context import LambdaContext
from tests.support.reader import read_csv, read_root
from tests.support.store_calls import Do, WatchedStore, first, land_and_lose, refuse
from tests.support.template import TEMPLATE


class Export(WatchedStore):
    """The export bucket as Bootstrap reaches it.

    Attributes:
        denied: so many calls are answered with 403 at first, as long as IAM does not know the role.
        context: of the invocation, whose time passes only while the function sleeps.
        asleep: called when the function sleeps.
    """

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.denied = 0
        self.context = LambdaContext(left_ms=300_000)
        self.asleep: Callable[[], None] = lambda: None

    def sleep(self, seconds: float) -> None:
        self.context.left_ms -= int(1000 * seconds)
        self.asleep()

    def _rule(self, verb: str, key: str) -> Do:
        if self.denied:
            self.denied -= 1
            return refuse(Unavailable(f"{key}: AccessDenied"))
        return super()._rule(verb, key)

    def refused(self) -> set[tuple[str, str]]:
        """Evaluate Bootstrap's role: which of the calls so far it does not allow."""
        asked = (pair for verb, key in self.calls for pair in asked_by(Call(0, "", verb, key)))
        return {pair for pair in asked if not role_of("BootstrapFunction").may(*pair)}


@pytest.fixture
def export(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> Export:
    """The export bucket that the function finds through its environment."""
    export = Export(store)
    monkeypatch.setenv("EXPORT_BUCKET", "export-bucket")
    monkeypatch.setattr(bootstrapping, "S3Store", lambda bucket: export if bucket == "export-bucket" else None)
    monkeypatch.setattr(bootstrapping, "Ledger", lambda store, **more: Ledger(store, sleep=export.sleep, **more))
    return export


def test_an_empty_system_has_a_csv_a_root_and_a_description(store: MemoryStore, ledger: Ledger) -> None:
    """X7: the object exists from deployment with the header line only, and says which root it shows."""
    assert bootstrap(ledger) == 0
    assert read_csv(store) == model_csv([])
    assert store.head(CSV_KEY).metadata == metadata_of(read_root(store))
    assert store.objects[DESCRIPTION_KEY][0].body == describe(NAMES)
    assert store.objects[DESCRIPTION_KEY][1] == "application/csvm+json"


def test_what_bootstrap_made_needs_no_publish(store: MemoryStore, ledger: Ledger) -> None:
    """The exporter's first look finds the CSV as it would have written it."""
    bootstrap(ledger)
    assert not publish(make_ledger(store, 2)).written


def test_an_exporter_that_is_faster_keeps_its_csv(store: MemoryStore) -> None:
    """Create-only: between Bootstrap's look and its write somebody published."""
    watched = WatchedStore(store)
    rival = make_ledger(store, 2)
    watched.on("put_if_match", CSV_KEY, first(lambda: publish(rival, report=commit(rival, [insert(1)]))))
    bootstrap(make_ledger(watched))  # type: ignore[arg-type]
    assert read_csv(store) == model_csv([item(1)])


def test_a_description_that_is_there_is_kept(store: MemoryStore, ledger: Ledger) -> None:
    """It belongs to the root's columns, which a newer code does not change by being deployed."""
    store.put_new(DESCRIPTION_KEY, b"{}", "application/csvm+json")
    bootstrap(ledger)
    assert store.objects[DESCRIPTION_KEY][0].body == b"{}"


def _overwrite_root(store: MemoryStore, body: bytes) -> None:
    store.put_if_match(ROOT_KEY, body, store.head(ROOT_KEY).etag, "application/json", {})


def _newer(store: MemoryStore) -> bytes:
    return orjson.dumps(orjson.loads(store.get(ROOT_KEY).body) | {"format": 99})


STATES: dict[str, Callable[[MemoryStore], object]] = {
    "current": lambda store: publish(make_ledger(store, 3)),
    "behind": lambda store: None,
    "without a CSV": lambda store: store.delete([CSV_KEY]),
    "with a damaged root": lambda store: _overwrite_root(store, b"{"),
    "with a root overwritten by nothing": lambda store: _overwrite_root(store, b""),
    "without a root": lambda store: store.delete([ROOT_KEY]),
}


@pytest.mark.parametrize("state", STATES)
def test_an_upgrade_changes_nothing_whatever_state_the_ledger_is_in(
    state: str, cloudformation: CloudFormation, export: Export, store: MemoryStore, ledger: Ledger
) -> None:
    """The CSV is the exporter's, and what is broken an operator's: an upgrade may be what mends it."""
    bootstrap(ledger)
    commit(ledger, [insert(1)])
    STATES[state](store)
    before = dict(store.objects)
    handler(cloudformation.request("Update", PhysicalResourceId="skyledger"), export.context)
    assert cloudformation.answers[0]["Status"] == "SUCCESS"
    assert export.refused() == set()
    made = store.objects.keys() - before.keys()
    assert made == {key for key, _ in page_files()}
    assert {key: store.objects[key] for key in before} == before


def test_a_code_that_is_older_than_the_ledger_is_not_deployed(
    cloudformation: CloudFormation, export: Export, store: MemoryStore, ledger: Ledger
) -> None:
    """CloudFormation then goes back to the newer code."""
    bootstrap(ledger)
    _overwrite_root(store, _newer(store))
    handler(cloudformation.request("Update", PhysicalResourceId="skyledger"), export.context)
    assert cloudformation.answers[0]["Status"] == "FAILED"
    assert cloudformation.answers[0]["Reason"].startswith("NewerFormat: ")


@pytest.mark.parametrize("denied", [1, 2, 5, 20])
@pytest.mark.parametrize("kind", ["Create", "Delete"])
def test_it_waits_for_a_role_that_iam_does_not_know_yet(
    kind: str, denied: int, cloudformation: CloudFormation, export: Export, store: MemoryStore
) -> None:
    """S3 answers 403 for some seconds; every call is asked again."""
    if kind == "Delete":
        bootstrap(make_ledger(store))
    export.denied = denied
    handler(cloudformation.request(kind, PhysicalResourceId="skyledger"), export.context)
    assert cloudformation.answers[0]["Status"] == "SUCCESS"
    assert (CSV_KEY in store.objects) is (kind == "Create")
    assert export.denied == 0


def test_a_role_that_may_not_is_told_in_time(cloudformation: CloudFormation, export: Export) -> None:
    """A last try has the time that it may take; what a request was denied stands in the reason."""
    export.denied = 10**6
    handler(cloudformation.request("Create"), export.context)
    assert cloudformation.answers[0]["Status"] == "FAILED"
    assert cloudformation.answers[0]["Reason"] == "Unavailable: manifest.json: AccessDenied"
    assert TRY_SECONDS <= export.context.left_ms / 1000 < TRY_SECONDS + 10
    # boto3's standard mode sends a request three times (Boto3 documentation, "Retries").
    one_request = 3 * (s3_store._CONNECT_SECONDS + s3_store._READ_SECONDS)
    assert one_request + custom_resource._ANSWER_SECONDS < TRY_SECONDS
    function = TEMPLATE["Resources"]["BootstrapFunction"]["Properties"]
    assert function["Timeout"] > 2 * TRY_SECONDS


TROUBLE: dict[str, tuple[str, str, Do]] = {
    "the CSV's answer is lost": ("put_if_match", CSV_KEY, land_and_lose(Unknown("no answer"))),
    "the CSV is not known": ("put_if_match", CSV_KEY, refuse(Unknown("no answer"))),
    "a file of the page is refused": ("put_if_match", "page/", refuse(Unavailable("SlowDown"))),
    "a file of the page is not known": ("head", "index.html", refuse(Unavailable("SlowDown"))),
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_what_fails_in_passing_is_done_again(
    trouble: str, cloudformation: CloudFormation, export: Export, store: MemoryStore
) -> None:
    """Wherever it is; called by hand, without an end that is known, it is told at once."""
    verb, key, do = TROUBLE[trouble]
    export.on(verb, key, do)
    handler(cloudformation.request("Create"), export.context)
    assert cloudformation.answers[0]["Status"] == "SUCCESS"
    assert read_csv(store) == model_csv([])
    assert {name for name, _ in page_files()} < store.objects.keys()
    export.denied = 1
    with pytest.raises(Unavailable):
        handler({}, None)


def test_an_answer_that_is_not_taken_ends_in_time(export: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time that a last try leaves is for it."""
    allowed: list[float] = []

    def urlopen(request: Any, *, timeout: float) -> Any:
        allowed.append(timeout)
        return nullcontext()

    monkeypatch.setattr(custom_resource.urllib.request, "urlopen", urlopen)
    handler(CloudFormation("http://127.0.0.1/never").request("Create"), export.context)
    assert allowed == [custom_resource._ANSWER_SECONDS]


def test_a_rolled_back_deployment_leaves_an_empty_bucket(
    cloudformation: CloudFormation, export: Export, store: MemoryStore
) -> None:
    """S3 deletes empty buckets only; the role allows what that takes, and the root goes first."""
    handler(cloudformation.request("Create"), export.context)
    handler(cloudformation.request("Delete", PhysicalResourceId="skyledger"), export.context)
    assert [answer["Status"] for answer in cloudformation.answers] == ["SUCCESS", "SUCCESS"]
    assert store.objects == {}
    assert export.refused() == set()
    deleted = [key for verb, key in export.calls if verb == "delete_if_match"]
    assert deleted[0] == ROOT_KEY
    assert export.context.left_ms == 300_000, "nothing is waited for: no Create runs beside it"
    assert {verb for verb, _ in export.calls if "delete" in verb} == {"delete_if_match"}


def test_a_create_that_broke_off_is_cleared_away_too(
    cloudformation: CloudFormation, export: Export, store: MemoryStore
) -> None:
    """Without a root: it failed before, or a deletion broke off after it."""
    bootstrap(make_ledger(store))
    store.delete([ROOT_KEY])
    handler(cloudformation.request("Delete", PhysicalResourceId="skyledger"), export.context)
    assert store.objects == {}


def test_what_is_gone_when_it_is_to_be_deleted_stops_nothing(
    cloudformation: CloudFormation, export: Export, store: MemoryStore
) -> None:
    """An operator empties the bucket at the same time."""
    bootstrap(make_ledger(store))
    export.on("delete_if_match", CSV_KEY, first(lambda: store.delete([CSV_KEY])))
    handler(cloudformation.request("Delete", PhysicalResourceId="skyledger"), export.context)
    assert store.objects == {}


def test_a_create_that_still_runs_is_outlived(
    cloudformation: CloudFormation, export: Export, store: MemoryStore
) -> None:
    """CloudFormation made the id up: no answer has come yet, so what is written meanwhile is deleted at the end."""
    handler(cloudformation.request("Create"), export.context)
    began = export.context.left_ms
    writes = iter([1, 2, 3])
    export.asleep = lambda: bootstrap(make_ledger(store, 9)) if next(writes, 0) else None  # type: ignore[assignment]
    handler(cloudformation.request("Delete", PhysicalResourceId="stack-Bootstrap-1ABC"), export.context)
    assert store.objects == {}
    assert began / 1000 > TRY_SECONDS + 100 > export.context.left_ms / 1000


KEPT: dict[str, Callable[[MemoryStore], object]] = {
    "a commit": lambda store: commit(make_ledger(store, 5), [insert(1)]),
    "a journal": lambda store: store.put_new("journal/date=2026-11-25/hour=08/1.jsonl.gz", b"x", "application/gzip"),
    "a file of somebody else's": lambda store: store.put_new("page/mine.txt", b"x", "text/plain"),
    "a root that had a commit": lambda store: _overwrite_root(
        store, encode_root(replace(decode_root(store.get(ROOT_KEY).body), version=1))
    ),
    "a damaged root": lambda store: _overwrite_root(store, b"{"),
    "a newer root": lambda store: _overwrite_root(store, _newer(store)),
    "a CSV that nobody knows": lambda store: store.put_if_match(
        CSV_KEY, b"a,b\n1,2\n", store.head(CSV_KEY).etag, "text/csv", {}
    ),
}


@pytest.mark.parametrize("state", KEPT)
def test_deleting_the_stack_deletes_no_data(
    state: str, cloudformation: CloudFormation, export: Export, store: MemoryStore, ledger: Ledger
) -> None:
    """Whatever else there is in the bucket, all of it stays, and the deletion of the stack goes on."""
    bootstrap(ledger)
    KEPT[state](store)
    before = dict(store.objects)
    handler(cloudformation.request("Delete", PhysicalResourceId="skyledger"), export.context)
    assert cloudformation.answers[0]["Status"] == "SUCCESS"
    assert store.objects == before
    assert export.refused() == set()


def test_who_commits_during_the_deletion_keeps_all(
    cloudformation: CloudFormation, export: Export, store: MemoryStore, ledger: Ledger
) -> None:
    """The commit changes the root's ETag, by which it would have been deleted."""
    bootstrap(ledger)
    export.on("delete_if_match", ROOT_KEY, first(lambda: commit(make_ledger(store, 5), [insert(1)])))
    handler(cloudformation.request("Delete", PhysicalResourceId="skyledger"), export.context)
    assert read_root(store).version == 1
    assert CSV_KEY in store.objects


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_cloudformation_is_answered_when_the_csv_is_there(
    kind: str, cloudformation: CloudFormation, export: Export, store: MemoryStore
) -> None:
    """AWS, custom resource response objects: ids as received, a physical id that stays, no content type."""
    more = {"PhysicalResourceId": "kept-id"} if kind == "Update" else {}
    assert handler(cloudformation.request(kind, **more), export.context) == {"Status": "SUCCESS"}
    assert cloudformation.answers == [
        {
            "Status": "SUCCESS",
            "Reason": "done",
            "PhysicalResourceId": "kept-id" if kind == "Update" else "skyledger",
            "StackId": "arn:aws:cloudformation:eu-west-1:111122223333:stack/survey/1",
            "RequestId": f"request-{kind}",
            "LogicalResourceId": "EmptyCsv",
        }
    ]
    assert cloudformation.content_types == [""]
    assert read_csv(store) == model_csv([])


def test_a_reason_fits_into_the_answer(
    cloudformation: CloudFormation, export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CloudFormation takes answers of up to 4,096 bytes; a longer one would be no answer."""

    def fail(ledger: Ledger) -> int:
        raise RuntimeError("é" * 10_000)

    monkeypatch.setattr(bootstrapping, "bootstrap", fail)
    handler(cloudformation.request("Create"), None)
    assert cloudformation.answers[0]["Reason"].startswith("RuntimeError: é")
    assert cloudformation.sizes[0] <= 4096


def test_called_by_hand_it_does_the_work_and_raises(export: Export, store: MemoryStore) -> None:
    """Without a request there is nobody to answer."""
    assert handler({}, None) == {"Status": "SUCCESS"}
    assert read_csv(store) == model_csv([])
    _overwrite_root(store, _newer(store))
    with pytest.raises(NewerFormat):
        handler({}, None)
