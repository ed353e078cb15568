"""What is in an operator's way, a damaged root, rights to read only, a wrong setting, is one line with a remedy."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest
from botocore.exceptions import ClientError

from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from ledger.errors import Denied
from ledger.ledger import Ledger
from ledger.publish import publish
from operations.cli import deployment
from operations.cli.main import COMMANDS
from operations.errors import NoPlace
from operations.live.snapshot import pin
from tests.support.aws_services import Services
from tests.support.command_line import Ran
from tests.support.factories import insert, make_ledger
from tests.support.failed_batches import put_aside
from tests.support.reader import read_root, read_rows
from tests.support.store_calls import WatchedStore, first

Run = Callable[..., Ran]
ONE = ("--processes", "1")
CUTS = ("--shard-bytes", "1000", "--page-shards", "4")  # as those of the tests' ledgers
TIME = "2026-11-25T08:00:30"
NO_ROOTS = (b"", b'{"name": "My app", "icons": []}', b'{"format": "web"}', b"<!doctype html><p>Log in", b"[1]")


@pytest.mark.parametrize("body", NO_ROOTS)
def test_a_manifest_that_is_no_root_is_told_with_the_bucket_and_a_remedy_that_works(
    body: bytes,
    skyledger: Run,
    filled: Ledger,
    store: MemoryStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Somebody put a file there, or saved the page of a proxy: of a ledger's bucket it is never taken for another's."""
    monkeypatch.chdir(tmp_path)
    tree = read_root(store).tree_hash
    store.put_if_match("manifest.json", body, store.head("manifest.json").etag, "text/html", {})
    before = dict(store.objects)
    calls = [("status",), ("replay", "--swap", *ONE), ("snapshot", "s"), ("pull", "copy", "--follow")]
    for call in calls if not body else calls[:1]:
        ran = skyledger(*call)
        told = "(keep a copy of it and delete it: then skyledger replay --swap makes it from the journal)"
        line = ran.err.strip()
        assert (ran.code, line.count("\n")) == (3, 0), (call, ran.err)
        assert (line.startswith("skyledger: exports: manifest.json "), line.endswith(told)) == (True, True), line
    assert skyledger("status", "--json").json["error"] == "RootDamaged"
    assert store.objects == before
    store.put_new("snapshots/x.json", body, "text/html")
    ran = skyledger("restore", "x", "--yes")
    assert (ran.code, "exports: snapshots/x.json is not a root" in ran.err) == (3, True), ran.err
    if not body:
        store.delete(["manifest.json"])
        assert skyledger("replay", "--swap", *CUTS, *ONE).code == 0
        assert read_root(store).tree_hash == tree


class _ReadOnly(MemoryStore):
    """A bucket that one may read and list."""

    def _denied(self, key: str, operation: str) -> NoReturn:
        answer = {"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}
        raise Denied(f"s3://exports/{key}: AccessDenied") from ClientError(answer, operation)  # type: ignore[arg-type]

    def put_new(self, key: str, *_: Any) -> bool:
        self._denied(key, "PutObject")

    def put_if_match(self, key: str, *_: Any) -> str:
        self._denied(key, "PutObject")

    def start_upload(self, key: str, *_: Any) -> str:
        self._denied(key, "CreateMultipartUpload")

    def delete(self, keys: Sequence[str]) -> None:
        self._denied(keys[0], "DeleteObjects")

    def delete_if_match(self, key: str, etag: str) -> None:
        self._denied(key, "DeleteObject")


def _refuse(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let services be read only."""
    described = {"Table": {"TableArn": "arn:table/Images"}}
    monkeypatch.setattr(services, "describe_table", lambda **_: described, raising=False)
    for operation in ("SendMessageBatch", "StartExecution", "UpdateEventSourceMapping", "ExportTableToPointInTime"):

        def refuse(operation: str = operation, **_: Any) -> None:
            told = {"Code": "AccessDeniedException", "Message": "User zoe is not authorized to perform that"}
            raise ClientError({"Error": told}, operation)

        name = "".join(f"_{one.lower()}" if one.isupper() else one for one in operation).lstrip("_")
        monkeypatch.setattr(services, name, refuse, raising=False)


# What each writing command lacks first.
WRITING: tuple[tuple[tuple[str, ...], str], ...] = (
    (("ddl", "redshift", "--list"), "s3:PutObject"),
    (("verify", "bucket", "--stack", "sky", "--distributed", "--repair"), "states:StartExecution"),
    (("replay", "--swap", *CUTS, *ONE), "s3:PutObject"),
    (("replay", "--until", TIME, "--swap", "--yes", *ONE), "s3:PutObject"),
    (("replay", "--stack", "sky", "--distributed", "--swap"), "states:StartExecution"),
    (("snapshot", "t"), "s3:PutObject"),
    (("snapshot", "s", "--remove"), "s3:DeleteObject"),
    (("restore", "s", "--yes"), "s3:PutObject"),
    (("restore", "--undo", "--yes"), "s3:PutObject"),
    (("ingest", "--stack", "sky", "--distributed"), "states:StartExecution"),
    (("backfill", "--table", "Images"), "dynamodb:ExportTableToPointInTime"),
    (("collect",), "s3:PutObject"),
    (("redrive", "batches"), "s3:PutObject"),
    (("redrive", "images", "--stack", "sky"), "sqs:SendMessage"),
    (("stream", "off", "--stack", "sky"), "lambda:UpdateEventSourceMapping"),
    (("reread", "--all", "--stack", "sky"), "sqs:SendMessage"),
    (("forget", f"{3:032x}", "--yes"), "s3:PutObject"),
)


def test_credentials_that_may_only_read_are_told_what_they_lack_by_every_command_that_writes(
    skyledger: Run, filled: Ledger, services: Services, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line with bucket or stack, and nothing is changed, nor anything said to be done."""
    readers = {"pull", "status", "history", "view"}
    assert {call[0] for call, _ in WRITING} == COMMANDS.keys() - readers
    for name in ("s", "before-restore-1"):
        pin(filled, name, read_root(store))
    put_aside(store, insert(9))
    _refuse(services, monkeypatch)
    denied = _ReadOnly()
    denied.objects = store.objects
    monkeypatch.setattr(deployment, "open_bucket", lambda bucket, arguments: denied)
    before = dict(store.objects)
    for call, permission in WRITING:
        ran = skyledger(*call)
        told = [line for line in ran.err.splitlines() if line.startswith("skyledger: ")]
        assert (ran.code, len(told)) == (4, 1), (call, ran.code, ran.out, ran.err)
        assert f"(these credentials lack the permission {permission}" in told[0], (call, told)
        raw = "stack sky: An error" if "--stack" in call else "exports: An error"
        assert told[0].startswith(("skyledger: s3://exports/", f"skyledger: {raw}")), told
        assert "Traceback" not in ran.err
    assert store.objects == before
    assert (services.sent, services.started, services.switched) == ([], [], [])


@pytest.mark.parametrize(
    ("option", "variables"),
    [
        ("http://", {}),
        ("http://[", {}),
        ("https://s 3/", {}),
        ("", {"AWS_ENDPOINT_URL_S3": "localhost:9000"}),
        ("", {"AWS_MAX_ATTEMPTS": "many"}),
    ],
)
def test_what_boto3_cannot_use_is_wrong_use(
    option: str, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says ValueError of it, which nobody would take for the own mistake that it is."""
    for name, value in (variables | {"AWS_DEFAULT_REGION": "eu-west-1"}).items():
        monkeypatch.setenv(name, value)
    arguments = {"endpoint_url": option} if option else {}
    with pytest.raises(NoPlace, match="look at --endpoint-url, and at the variables that begin with AWS_"):
        deployment.Deployment("exports", client_arguments=arguments).client("s3")
    with pytest.raises(NoPlace):
        deployment.open_bucket("exports", arguments)


def test_work_that_was_begun_on_one_ledger_does_not_go_on_in_another_of_the_same_name(
    skyledger: Run, filled: Ledger, store: MemoryStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As of a local stack: else its rows would be swapped in where they never were, by option or by environment."""
    other = MemoryStore()
    exporter = make_ledger(other, 2)
    commit(exporter, [insert(8)])
    publish(exporter)
    rows, local = read_rows(other), "http://127.0.0.1:9"
    begun = WatchedStore(store)

    def call(bucket: Any, *arguments: str) -> int:
        monkeypatch.setattr(deployment, "open_bucket", lambda name, arguments: bucket)
        return skyledger("replay", "--swap", "--shard-bytes", "500", *arguments, *ONE).code

    def press() -> None:
        raise KeyboardInterrupt

    for work in ((), ("--work", str(tmp_path / "work"))):
        for variable in ("", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
            begun.on("put_new", "manifest/", first(press))
            assert call(begun, *work) == 130
            with monkeypatch.context() as environment:
                if variable:
                    environment.setenv(variable, local)
                assert call(other, *work, *(() if variable else ("--endpoint-url", local))) == 0
            assert read_rows(other) == rows, (work, variable)
