"""No command harms a bucket, or a copy, that is not its own; and whatever is in the way is told in one line."""

import os
import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.errors import LedgerError
from ledger.ledger import Ledger
from ledger.s3_store import S3Store
from operations.cli import deployment
from operations.cli.main import COMMANDS
from tests.support.aws_services import Services
from tests.support.command_line import Ran

Run = Callable[..., Ran]
ETAG = f"{1:032x}"
# Each as far as it would write if it could: nobody is asked, nothing is dry.
ARGUMENTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "pull": (("copy", "--format", "csvt"), ("copy", "--snapshot", "s"), ("copy", "--follow")),
    "ddl": (("athena",), ("redshift", "--list")),
    "status": ((), ("--stack", "sky")),
    "history": ((ETAG,),),
    "view": ((), ("--stack", "sky")),
    "verify": ((), ("bucket", "--stack", "sky", "--repair"), ("bucket", "--stack", "sky", "--distributed", "--repair")),
    "replay": (
        ("--swap", "--processes", "1"),
        ("--until", "2026-11-25T08:00:30", "--swap", "--yes", "--snapshot", "s"),
        ("--stack", "sky", "--distributed", "--swap"),
    ),
    "snapshot": ((), ("s",), ("s", "--remove")),
    "restore": (("s", "--yes"), ("--to", "2026-11-25T08:00:30", "--yes"), ("--undo", "--yes")),
    "ingest": (("--stack", "sky"), ("--stack", "sky", "--new"), ("--stack", "sky", "--distributed")),
    "backfill": (("--table", "Images"), ("--stack", "sky")),
    "collect": ((),),
    "redrive": ((), ("images", "--stack", "sky")),
    "stream": (("off", "--stack", "sky"),),
    "reread": (("--all", "--stack", "sky"),),
    "forget": ((ETAG, "--yes"),),
}
FIRST_CALLS = [(name, *calls[0]) for name, calls in ARGUMENTS.items()]
CALLS = [(name, *arguments) for name, calls in ARGUMENTS.items() for arguments in calls]
OWN_FOLDERS = {
    "manifest.json": b'{"name": "My app", "icons": []}',  # as web sites have it
    "journal/2026/IMG_1.JPG": b"x",
    "journal/date=2026-11-25/hour=08/IMG_2.JPG": b"x",
    "roots/oak.jpg": b"x",
    "shards/pottery.csv": b"x",
    "manifest/packing-list.json": b"{}",
    "snapshots/party.json": b"{}",
    "aws/lambda/notes.txt": b"x",
}
FOREIGN: dict[str, dict[str, bytes]] = {
    "empty": {},
    "of photos": {"site/1.jpg": b"x", "site/2.jpg": b"y"},
    "with folders of these names": OWN_FOLDERS,
    "with an empty manifest": {"manifest.json": b"\n", "site/1.jpg": b"x"},
}


def test_no_command_is_forgotten_here() -> None:
    """A new one is tried as well."""
    assert ARGUMENTS.keys() == COMMANDS.keys()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands are called: with a copy that somebody pulled."""
    made = tmp_path / "here"
    (made / "copy").mkdir(parents=True)
    (made / "copy" / "image-data.csv").write_bytes(b"etag\n1\n")
    monkeypatch.chdir(made)
    return made


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("bucket", FOREIGN)
def test_a_bucket_without_a_ledger_is_left_as_it_is_by_every_command(
    bucket: str, skyledger: Run, services: Services, store: MemoryStore, folder: Path
) -> None:
    """And so are this machine and all services: nothing is sent, started or switched."""
    for key, body in FOREIGN[bucket].items():
        store.put_new(key, body, "image/jpeg")
    before, here = dict(store.objects), _files(folder)
    for call in CALLS if bucket == "with folders of these names" else FIRST_CALLS:
        ran = skyledger(*call)
        told = "skyledger: no Skyledger ledger in bucket exports (give --stack, or as --bucket"
        assert (ran.code, ran.err.startswith(told), ran.err.count("\n")) == (2, True, 1), (call, ran.err)
    assert skyledger("pull", "copy", "--json").json["error"] == "NoLedger"
    assert store.objects == before
    assert _files(folder) == here
    assert (services.sent, services.started, services.switched) == ([], [], [])
    assert services.messages["dead"]


def test_a_lost_manifest_is_no_missing_ledger(skyledger: Run, filled: Ledger, store: MemoryStore) -> None:
    """The journal alone, of all that only a ledger leaves, is enough to make it again."""
    rows = skyledger("status", "--json").json["tree"]
    for listed in [*store.list("")]:
        if not listed.key.startswith("journal/"):
            store.delete([listed.key])
    assert skyledger("status").code == 3
    assert skyledger("replay", "--swap", "--shard-bytes", "1000", "--page-shards", "4", "--processes", "1").code == 0
    assert skyledger("status", "--json").json["tree"] == rows


FORBIDDEN = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
MISSING = b"<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>"
EXPIRED = b"<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"
SKEWED = b"<Error><Code>RequestTimeTooSkewed</Code><Message>m</Message></Error>"
BUSY = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
MOVED = b"<Error><Code>PermanentRedirect</Code><Message>m</Message></Error>"
ELSEWHERE = b"<Error><Code>AuthorizationHeaderMalformed</Code><Message>m</Message><Region>eu-south-1</Region></Error>"
# What the server answers: status, body; and what is told of it.
REFUSALS: dict[str, tuple[int, bytes, str]] = {
    "forbidden": (
        403,
        FORBIDDEN,
        "AccessDenied (these credentials lack the permission s3:GetObject; readers get it by",
    ),
    "forbidden without a word": (403, b"", "403 (these credentials lack the permission s3:GetObject; readers get"),
    "forbidden by a page": (
        403,
        b"<html><p>no</html>",
        "403 (these credentials lack the permission s3:GetObject; readers get",
    ),
    "a login page": (200, b"<html>Welcome</html>", "the answer has no ETag"),
    "missing": (404, MISSING, "NoSuchBucket (there is no such bucket: look at --bucket, --stack and --endpoint-url)"),
    "expired": (400, EXPIRED, "ExpiredToken (the credentials have expired: log in again"),
    "elsewhere": (400, ELSEWHERE, "AuthorizationHeaderMalformed (the bucket is in another region: give --region"),
    "moved": (301, MOVED, "PermanentRedirect (the bucket is in another region: give --region eu-south-1)"),
    "skewed": (403, SKEWED, "RequestTimeTooSkewed (the clock of this machine is wrong)"),
    "busy": (503, BUSY, "SlowDown (AWS asks for patience: try again in a minute)"),
    "busy without a word": (503, b"", "503 (AWS asks for patience: try again in a minute)"),
    "a proxy that is down": (502, b"<html>Bad Gateway</html>", "502 (AWS asks for patience: try again in a minute)"),
}


class _Refusing(ThreadingHTTPServer):
    """Answers everything in one way, and remembers what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.answer: tuple[int, bytes] = (403, b"")
        self.asked: set[str] = set()


class _Answer(BaseHTTPRequestHandler):
    def _say(self) -> None:
        server = self.server
        assert isinstance(server, _Refusing)
        server.asked.add(self.command)
        status, body = server.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        if status == 301:  # of a bucket in another region (boto/botocore#1512)
            self.send_header("x-amz-bucket-region", "eu-south-1")
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _say  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def refusing() -> Iterator[_Refusing]:
    with _Refusing() as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


_stores: dict[str, S3Store] = {}  # by endpoint: to make one takes long


@pytest.fixture
def opened(skyledger: Run, services: Services, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Let all commands open a bucket at an endpoint."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")

    def at(endpoint: str) -> str:
        if endpoint not in _stores:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("ledger.s3_store.boto3.client", boto3.session.Session().client)
                _stores[endpoint] = S3Store("exports", endpoint_url=endpoint)
        monkeypatch.setattr(deployment, "open_bucket", lambda bucket, arguments: _stores[endpoint])
        return endpoint

    return at


@pytest.mark.parametrize("why", REFUSALS)
def test_a_bucket_that_cannot_be_read_is_one_line_with_bucket_endpoint_and_remedy(
    why: str,
    skyledger: Run,
    services: Services,
    opened: Callable[[str], str],
    refusing: _Refusing,
    folder: Path,
) -> None:
    """By every command where it is forbidden, and by one in all other cases; nothing but reading is even tried."""
    status, body, told = REFUSALS[why]
    refusing.answer, here = (status, body), _files(folder)
    endpoint = opened(f"http://127.0.0.1:{refusing.server_port}")
    for call in CALLS if why == "forbidden" else [("status",)]:
        ran = skyledger(*call)
        line = f"skyledger: s3://exports/manifest.json at {endpoint}: {told}"
        assert (ran.code, ran.err.startswith(line), ran.err.count("\n")) == (4, True, 1), (call, ran.err)
    assert refusing.asked == {"GET"}
    assert _files(folder) == here
    assert (services.sent, services.started, services.switched) == ([], [], [])


def test_an_endpoint_that_is_down_and_missing_credentials_are_one_line_of_every_command(
    skyledger: Run,
    services: Services,
    opened: Callable[[str], str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With bucket, endpoint and remedy; without credentials nothing is even sent."""
    here = _files(folder)
    with socket.socket() as taken:  # and not listening: nobody else can come to listen there
        taken.bind(("127.0.0.1", 0))
        endpoint = opened(f"http://127.0.0.1:{taken.getsockname()[1]}")
        for call in FIRST_CALLS:
            ran = skyledger(*call)
            told = f"skyledger: s3://exports/manifest.json at {endpoint}: EndpointConnectionError (nobody answers: look"
            assert (ran.code, ran.err.startswith(told), ran.err.count("\n")) == (4, True, 1), (call, ran.err)
        assert skyledger("status", "--json").json["error"] == "Unavailable"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    del _stores[endpoint]
    opened(endpoint)
    for call in FIRST_CALLS:
        ran = skyledger(*call)
        told = f"skyledger: s3://exports/manifest.json at {endpoint}: NoCredentialsError (there are no AWS credentials:"
        assert (ran.code, ran.err.startswith(told), ran.err.count("\n")) == (4, True, 1), (call, ran.err)
    assert skyledger("status", "--json").json["error"] == "Denied", "which --follow does not wait for"
    assert _files(folder) == here
    assert (services.sent, services.started, services.switched) == ([], [], [])


def test_what_is_not_there_is_no_ledger_of_the_library_either(store: MemoryStore) -> None:
    """Whoever opens a bucket without saying that it is his own begins nothing there."""
    with pytest.raises(LedgerError, match="no ledger in the bucket"):
        Ledger(store).load_root()
    assert not store.objects
