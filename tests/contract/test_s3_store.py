"""What S3Store makes of every answer that S3 and the network can give, and how often it asks.

A stub on loopback plays S3: it takes down each request and answers from a script. Swaps must be sent exactly once, for
a second one would be refused by the success of the first; all other verbs may be repeated by the SDK.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import pytest

from infra.waiting import PATIENCE_SECONDS
from ledger import s3_store as s3
from ledger.errors import Denied, NotFound, Refused, Unavailable, Unknown
from ledger.s3_store import S3Store
from ledger.store import PARALLEL_REQUESTS, ByteRange, Store

READ_SECONDS = 1.0  # of the store that does not wait long: a hundred times what the stub needs for an answer
HOLD_SECONDS = 60.0  # after which somebody waits who should not
ETAG = "0123456789abcdef0123456789abcdef"
SDK_TRIES = 3  # botocore's standard mode, first one included
Answer = Callable[[socket.socket], None]


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    """Answer in full."""
    name = f"{status} with {len(body)} bytes"
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return _sends("\r\n".join([*lines, "", ""]).encode() + body, name)


def _sends(response: bytes, name: str) -> Answer:
    def send(connection: socket.socket) -> None:
        connection.sendall(response)

    send.__name__ = name
    return send


def error(status: int, code: str) -> Answer:
    """Answer with an error as S3 words it."""
    made = answer(status, f"<Error><Code>{code}</Code><Message>said so</Message></Error>".encode())
    made.__name__ = f"{status} {code}"
    return made


def done(body: bytes = b"") -> Answer:
    """Answer with success."""
    return answer(200, body, ETag=f'"{ETAG}"')


def cut(body: bytes, promised: int) -> Answer:
    """Promise more bytes than come before the connection is lost."""
    head = f'HTTP/1.1 200 OK\r\nContent-Length: {promised}\r\nETag: "{ETAG}"\r\n\r\n'.encode()
    return _sends(head + body, f"{len(body)} of {promised} bytes")


def lost(connection: socket.socket) -> None:
    """Take the request, and close the connection without an answer: it may have been carried out."""


def late(body: bytes, seconds: float) -> Answer:
    """Say nothing for so long, then answer with success: as S3 does while it copies."""

    def send(connection: socket.socket) -> None:
        time.sleep(seconds)
        done(body)(connection)

    send.__name__ = f"after {seconds} s"
    return send


def silent(connection: socket.socket) -> None:
    """Take the request, and say nothing until the other side has had enough."""
    connection.settimeout(HOLD_SECONDS)
    connection.recv(1)


@dataclass
class StubS3:
    """An S3 that answers from a script.

    Attributes:
        script: the answers, in order; the last one again and again.
        requests: what came.
    """

    url: str
    script: list[Answer] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def hang_up(self) -> None:
        """Wait until nobody is served: one that was waited for to the end fails now (HOLD_SECONDS)."""
        while self.threads:
            self.threads.pop().join()

    def serve(self, connection: socket.socket) -> None:
        """Take one request and answer it."""
        with connection, connection.makefile("rb") as stream:
            line = stream.readline().decode().split()
            if not line:
                return
            headers = {}
            while head := stream.readline().decode().strip():
                name, _, value = head.partition(":")
                headers[name.lower()] = value.strip()
            if headers.get("expect") == "100-continue":
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = stream.read(int(headers.get("content-length", 0)))
            self.requests.append(Request(line[0], line[1], headers, body))
            act = self.script[0] if len(self.script) == 1 else self.script.pop(0)
            act(connection)


@pytest.fixture(scope="module")
def listening() -> Iterator[tuple[StubS3, S3Store, S3Store]]:
    """The stub, a store on it that waits as long as it takes, and one that does not wait long."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        played = StubS3(f"http://127.0.0.1:{listener.getsockname()[1]}")

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                thread = threading.Thread(target=played.serve, args=(connection,))
                thread.start()
                played.threads.append(thread)

        accepting = threading.Thread(target=accept)
        accepting.start()
        # The SDK's waits between its tries, and its budget of tries for one client, are its own business.
        with (
            mock.patch.object(s3, "_READ_SECONDS", PATIENCE_SECONDS),
            mock.patch.object(s3, "_WAITS", (PATIENCE_SECONDS, READ_SECONDS)),
            mock.patch.object(s3, "_COPY_PAUSE_SECONDS", 0),
            mock.patch("botocore.retries.standard.ExponentialBackoff.delay_amount", return_value=0),
            mock.patch("botocore.retries.quota.RetryQuota.acquire", return_value=True),
        ):
            patient = store_at(played.url)
            with mock.patch.object(s3, "_READ_SECONDS", READ_SECONDS):
                hasty = store_at(played.url)
            yield played, patient, hasty
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()
        played.hang_up()


def store_at(url: str) -> S3Store:
    keys: dict[str, Any] = {"aws_access_key_id": "x", "aws_secret_access_key": "y", "region_name": "eu-west-1"}
    return S3Store("photos-export", endpoint_url=url, **keys)


@pytest.fixture
def stub(listening: tuple[StubS3, S3Store, S3Store]) -> StubS3:
    """The stub with an empty script."""
    listening[0].script, listening[0].requests = [], []
    return listening[0]


@pytest.fixture
def hasty(listening: tuple[StubS3, S3Store, S3Store], stub: StubS3) -> S3Store:
    """A store that takes silence for what it is after a second."""
    return listening[2]


@pytest.fixture
def bucket(listening: tuple[StubS3, S3Store, S3Store], stub: StubS3, request: pytest.FixtureRequest) -> S3Store:
    """A store that takes no busy machine for a silent S3, unless silence is what it is about."""
    parameters = request.node.callspec.params.values() if hasattr(request.node, "callspec") else ()
    return listening[2 if any(silent in (one if isinstance(one, list) else [one]) for one in parameters) else 1]


COMPLETED = f'<CompleteMultipartUploadResult><ETag>"{ETAG}"</ETag></CompleteMultipartUploadResult>'.encode()
COPIED = f'<CopyPartResult><ETag>"{ETAG}"</ETag></CopyPartResult>'.encode()
STARTED = b"<InitiateMultipartUploadResult><UploadId>u-1</UploadId></InitiateMultipartUploadResult>"
LISTED = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"


def put(store: Store) -> str:
    return store.put_if_match("manifest.json", b"{}", ETAG, "application/json", {"version": "2"})


def create(store: Store) -> str:
    return store.put_if_match("manifest.json", b"{}", None, "application/json", {})


def complete(store: Store) -> str:
    return store.finish_upload("image-data.csv", "u-1", ["a", "b"], ETAG, size=12)


def delete(store: Store) -> None:
    store.delete_if_match("shards/x.csv", ETAG)


SWAPS = [put, create, complete, delete]


# Swaps: sent once, and every answer means one of three things.


@pytest.mark.parametrize("swap", SWAPS)
@pytest.mark.parametrize(
    ("answers", "meaning"),
    [
        (lost, Unknown),
        (silent, Unknown),
        (error(500, "InternalError"), Unknown),
        (error(503, "SlowDown"), Unknown),
        (error(503, "ServiceUnavailable"), Unknown),
        (answer(500), Unknown),
        (answer(502, b"<html>a proxy's page</html>"), Unknown),
        (error(400, "RequestTimeout"), Unknown),
        (error(403, "RequestTimeTooSkewed"), Unknown),
        (error(412, "PreconditionFailed"), Refused),
        (answer(412), Refused),
        (error(409, "ConditionalRequestConflict"), Refused),
        (error(404, "NoSuchKey"), NotFound),
        (error(404, "NoSuchUpload"), NotFound),
        (error(403, "AccessDenied"), Denied),
        (error(400, "EntityTooSmall"), Denied),
        (error(400, "InvalidPart"), Denied),
    ],
)
def test_a_swap_is_sent_once_and_its_outcome_is_named(
    answers: Answer, meaning: type[Exception], swap: Callable[[Store], Any], bucket: S3Store, stub: StubS3
) -> None:
    """X12: refused (nothing written), unknown (it may have landed), or denied: never mixed, and never sent again."""
    stub.script = [answers]
    with pytest.raises(meaning):
        swap(bucket)
    assert len(stub.requests) == 1


@pytest.mark.parametrize("swap", [put, create])
def test_a_put_that_was_done_gives_the_new_etag(swap: Callable[[Store], Any], bucket: S3Store, stub: StubS3) -> None:
    stub.script = [done()]
    assert swap(bucket) == ETAG
    assert len(stub.requests) == 1


def test_conditions_and_metadata_go_out_as_headers(bucket: S3Store, stub: StubS3) -> None:
    """If-Match with the quotes that an ETag has on the wire; If-None-Match for what is to be new."""
    stub.script = [done(), done(), done(COMPLETED), answer(204), done(), done(COPIED)]
    put(bucket)
    create(bucket)
    complete(bucket)
    delete(bucket)
    bucket.put_new("shards/x.csv", b"x", "text/csv")
    bucket.copy_part("image-data.csv", "u-1", 3, ByteRange("image-data.csv", ETAG, 5, 9))
    headers = [request.headers for request in stub.requests]
    assert [one.get("if-match") for one in headers[:4]] == [f'"{ETAG}"', None, f'"{ETAG}"', f'"{ETAG}"']
    assert [one.get("if-none-match") for one in headers[:5]] == [None, "*", None, None, "*"]
    assert (headers[0]["x-amz-meta-version"], headers[0]["content-type"]) == ("2", "application/json")
    assert headers[2]["x-amz-mp-object-size"] == "12"
    assert headers[5]["x-amz-copy-source-if-match"] == f'"{ETAG}"'
    assert headers[5]["x-amz-copy-source-range"] == "bytes=5-9"
    assert stub.requests[5].path == "/photos-export/image-data.csv?uploadId=u-1&partNumber=3"


@pytest.mark.parametrize(
    ("body", "meaning"),
    [
        (b"<Error><Code>InternalError</Code></Error>", Unknown),
        (b"<Error><Code>SlowDown</Code></Error>", Unknown),
        (b"   \n  <Error><Code>InternalError</Code></Error>", Unknown),
        (b"<Error><Code>PreconditionFailed</Code></Error>", Refused),
        (b"<Error><Code>ConditionalRequestConflict</Code></Error>", Refused),
        (b"", Unknown),
        (b"     ", Unknown),
        (b"<CompleteMultipartUploadResult><ETa", Unknown),
        (b"<CompleteMultipartUploadResult></CompleteMultipartUploadResult>", Unknown),
    ],
)
def test_a_completion_may_say_200_and_still_have_failed(
    body: bytes, meaning: type[Exception], bucket: S3Store, stub: StubS3
) -> None:
    """AWS, CompleteMultipartUpload: the status is sent before the outcome is known; the body tells, or it does not."""
    stub.script = [answer(200, body)]
    with pytest.raises(meaning):
        complete(bucket)
    assert len(stub.requests) == 1


def test_a_completion_whose_answer_breaks_off_is_unknown(bucket: S3Store, stub: StubS3) -> None:
    stub.script = [cut(b"    ", 500)]
    with pytest.raises(Unknown):
        complete(bucket)
    assert len(stub.requests) == 1


def test_a_completion_gives_the_new_etag(bucket: S3Store, stub: StubS3) -> None:
    stub.script = [answer(200, COMPLETED)]
    assert complete(bucket) == ETAG


def test_nobody_there_is_unknown_to_a_swap_and_unavailable_to_a_read(bucket: S3Store, stub: StubS3) -> None:
    """No connection at all. The one is looked up, the other asked again."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = store_at(f"http://127.0.0.1:{free.getsockname()[1]}")
        for swap in SWAPS:
            with pytest.raises(Unknown):
                swap(nobody)
        with pytest.raises(Unavailable):
            nobody.get("manifest.json")


def test_every_request_in_flight_has_a_connection(bucket: S3Store) -> None:
    """A smaller pool throws connections away, and each of them costs a handshake."""
    clients = (bucket._s3, bucket._s3_once, bucket._patient_client(PATIENCE_SECONDS))
    assert min(client.meta.config.max_pool_connections for client in clients) >= PARALLEL_REQUESTS


# Create-only writes


def test_409_on_a_creation_is_not_exists(bucket: S3Store, stub: StubS3) -> None:
    """Another request was in the way and nothing was written: it is sent again, and then it is there."""
    stub.script = [error(409, "ConditionalRequestConflict"), error(409, "ConditionalRequestConflict"), done()]
    assert bucket.put_new("shards/x.csv", b"x", "text/csv") is True
    assert len(stub.requests) == 3


def test_409_for_ever_is_unavailable(bucket: S3Store, stub: StubS3) -> None:
    stub.script = [error(409, "ConditionalRequestConflict")]
    with pytest.raises(Unavailable, match="in the way"):
        bucket.put_new("shards/x.csv", b"x", "text/csv")
    assert len(stub.requests) == s3._PUT_NEW_TRIES


@pytest.mark.parametrize("before", [[], [lost], [silent], [error(503, "SlowDown")], [error(500, "InternalError")]])
def test_412_on_a_creation_is_exists(before: list[Answer], bucket: S3Store, stub: StubS3) -> None:
    """Also where the SDK sent it twice and the first had landed: the content is the same, whoever wrote it."""
    stub.script = [*before, error(412, "PreconditionFailed")]
    assert bucket.put_new("shards/x.csv", b"x", "text/csv") is False
    assert len(stub.requests) == len(before) + 1
    assert {request.body for request in stub.requests} == {b"x"}


# What may be repeated


READS: list[tuple[Callable[[Store], Any], bytes]] = [
    (lambda store: store.get("manifest.json"), b"abc"),
    (lambda store: store.get_range("image-data.csv", 0, 2), b"abc"),
    (lambda store: store.head("image-data.csv"), b""),
    (lambda store: list(store.list("shards/")), LISTED),
    (lambda store: store.delete(["pending/x"]), b"<DeleteResult></DeleteResult>"),
    (lambda store: store.put_new("shards/x.csv", b"x", "text/csv"), b""),
    (lambda store: store.start_upload("image-data.csv", "text/csv", {}), STARTED),
    (lambda store: store.upload_part("image-data.csv", "u-1", 1, b"x"), b""),
    (lambda store: store.copy_part("image-data.csv", "u-1", 1, ByteRange("image-data.csv", ETAG, 0, 9)), COPIED),
    (lambda store: store.abort_upload("image-data.csv", "u-1"), b""),
]
NAMES = ["get", "get_range", "head", "list", "delete", "put_new", "start", "upload_part", "copy_part", "abort"]


@pytest.mark.parametrize(("read", "body"), READS, ids=NAMES)
@pytest.mark.parametrize("failure", [lost, silent, error(500, "InternalError"), error(503, "SlowDown")])
def test_what_may_be_repeated_is_repeated(
    failure: Answer, read: Callable[[Store], Any], body: bytes, bucket: S3Store, stub: StubS3
) -> None:
    """One failure in passing is nobody's business."""
    stub.script = [failure, done(body)]
    read(bucket)
    assert len(stub.requests) == 2


@pytest.mark.parametrize(("read", "body"), READS, ids=NAMES)
@pytest.mark.parametrize("failure", [lost, answer(500), error(503, "SlowDown")])
def test_what_goes_on_failing_is_unavailable(
    failure: Answer, read: Callable[[Store], Any], body: bytes, bucket: S3Store, stub: StubS3
) -> None:
    stub.script = [failure]
    with pytest.raises(Unavailable):
        read(bucket)
    assert len(stub.requests) == SDK_TRIES


@pytest.mark.parametrize(("read", "body"), READS, ids=NAMES)
def test_a_permission_that_is_missing_is_unavailable(
    read: Callable[[Store], Any], body: bytes, bucket: S3Store, stub: StubS3
) -> None:
    """Asked once: asking again at once would not help."""
    stub.script = [error(403, "AccessDenied") if body or read is not READS[2][0] else answer(403)]
    with pytest.raises(Unavailable):
        read(bucket)
    assert len(stub.requests) == 1


@pytest.mark.parametrize("read", [READS[0][0], READS[1][0]], ids=["get", "get_range"])
@pytest.mark.parametrize("answers", [cut(b"ab", 3), cut(b"", 3)])
def test_a_body_that_breaks_off_is_never_taken_for_whole(
    answers: Answer, read: Callable[[Store], Any], bucket: S3Store, stub: StubS3
) -> None:
    stub.script = [answers]
    with pytest.raises(Unavailable):
        read(bucket)


def test_a_body_that_stops_coming_is_unavailable(hasty: S3Store, stub: StubS3) -> None:
    """The headers came, then nothing for longer than the read timeout."""

    def stall(connection: socket.socket) -> None:
        cut(b"ab", 3)(connection)
        silent(connection)

    stub.script = [stall]
    with pytest.raises(Unavailable):
        hasty.get("manifest.json")


@pytest.mark.parametrize("body", [b"", b"ab", b"abcd"])
def test_a_range_of_another_length_is_unavailable(body: bytes, bucket: S3Store, stub: StubS3) -> None:
    """A server that ignores Range, or a source that is shorter, must not shift what follows."""
    stub.script = [done(body)]
    with pytest.raises(Unavailable, match="of 3 bytes"):
        bucket.get_range("image-data.csv", 0, 2)


def test_an_unchanged_root_costs_one_small_answer(bucket: S3Store, stub: StubS3) -> None:
    stub.script = [answer(304)]
    assert bucket.get_if_changed("manifest.json", ETAG) is None
    (request,) = stub.requests
    assert request.headers["if-none-match"] == f'"{ETAG}"'


@pytest.mark.parametrize(
    ("answers", "meaning"),
    [
        (error(412, "PreconditionFailed"), Refused),
        (error(404, "NoSuchKey"), NotFound),
        (error(416, "InvalidRange"), Unavailable),
    ],
)
def test_a_pinned_range_is_refused_where_the_object_is_another(
    answers: Answer, meaning: type[Exception], bucket: S3Store, stub: StubS3
) -> None:
    stub.script = [answers]
    with pytest.raises(meaning):
        bucket.get_range("image-data.csv", 0, 2, etag=ETAG)
    assert stub.requests[0].headers["if-match"] == f'"{ETAG}"'
    assert stub.requests[0].headers["range"] == "bytes=0-2"


@pytest.mark.parametrize(
    ("answers", "meaning"),
    [
        (error(412, "PreconditionFailed"), Refused),
        (error(404, "NoSuchKey"), NotFound),
        (error(404, "NoSuchUpload"), NotFound),
        (error(400, "InvalidArgument"), Denied),
        (answer(200, b"<Error><Code>InternalError</Code></Error>"), Unavailable),
        (answer(200, b""), Unavailable),
    ],
)
def test_a_copy_says_why_it_was_not_made(
    answers: Answer, meaning: type[Exception], bucket: S3Store, stub: StubS3
) -> None:
    """UploadPartCopy, too, may say 200 and have failed."""
    stub.script = [answers]
    with pytest.raises(meaning):
        bucket.copy_part("image-data.csv", "u-1", 1, ByteRange("image-data.csv", ETAG, 0, 9))


SLOW: list[tuple[Callable[[Store, float], Any], bytes]] = [
    (
        lambda store, seconds: store.copy_part("c.csv", "u-1", 1, ByteRange("c.csv", ETAG, 0, 9), seconds=seconds),
        COPIED,
    ),
    (lambda store, seconds: store.finish_upload("c.csv", "u-1", ["a"], ETAG, seconds=seconds), COMPLETED),
]
SLOW_NAMES = ["copy_part", "finish_upload"]


@pytest.mark.parametrize(("call", "body"), SLOW, ids=SLOW_NAMES)
def test_what_s3_works_on_in_silence_is_waited_for(
    call: Callable[[Store, float], Any], body: bytes, hasty: S3Store, stub: StubS3
) -> None:
    """Far longer than for any other answer, and asked once: asking again would begin the work anew."""
    stub.script = [late(body, 1.5 * READ_SECONDS)]
    assert call(hasty, 2 * PATIENCE_SECONDS) == ETAG
    assert len(stub.requests) == 1


@pytest.mark.parametrize(("call", "body"), SLOW, ids=SLOW_NAMES)
@pytest.mark.parametrize("seconds", [READ_SECONDS, 0.0, -5.0])
def test_it_is_waited_for_no_longer_than_the_caller_has(
    seconds: float, call: Callable[[Store, float], Any], body: bytes, bucket: S3Store, stub: StubS3
) -> None:
    """An invocation that ends meanwhile could not tell what became of its batch."""
    stub.script = [silent]
    with pytest.raises((Unavailable, Unknown)):
        call(bucket, seconds)
    assert len(stub.requests) == 1
    stub.hang_up()


@pytest.mark.parametrize(
    ("code", "meaning"), [("SlowDown", Unavailable), ("InternalError", Unavailable), ("AccessDenied", Denied)]
)
def test_a_deletion_tells_of_the_first_key_that_stayed(
    code: str, meaning: type[Exception], bucket: S3Store, stub: StubS3
) -> None:
    """DeleteObjects answers 200 and lists its failures, also to those who may delete nothing."""
    failed = f"<DeleteResult><Error><Key>pending/b</Key><Code>{code}</Code></Error></DeleteResult>"
    stub.script = [answer(200, failed.encode())]
    with pytest.raises(meaning, match=rf"s3://[^/]*/pending/b.*: {code}$") as raised:
        bucket.delete(["pending/a", "pending/b"])
    assert type(raised.value) is meaning


def test_a_deletion_names_as_many_keys_as_s3_takes(bucket: S3Store, stub: StubS3) -> None:
    """More than a thousand in one request would be malformed (API Reference, DeleteObjects): none would go."""
    stub.script = [answer(200, b"<DeleteResult></DeleteResult>")]
    bucket.delete([f"pending/{number}" for number in range(1001)])
    assert [request.body.count(b"<Key>") for request in stub.requests] == [1000, 1]


def test_an_upload_that_is_gone_is_aborted(bucket: S3Store, stub: StubS3) -> None:
    stub.script = [error(404, "NoSuchUpload")]
    bucket.abort_upload("image-data.csv", "u-1")
    assert [(request.method, request.path) for request in stub.requests] == [
        ("DELETE", "/photos-export/image-data.csv?uploadId=u-1")
    ]


def test_a_listing_goes_on_where_the_page_before_ended(bucket: S3Store, stub: StubS3) -> None:
    def page(key: str, token: str) -> Answer:
        more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>"
        item = (
            f"<Contents><Key>{key}</Key><Size>3</Size><ETag>&quot;{ETAG}&quot;</ETag>"
            "<LastModified>2026-11-25T08:00:00Z</LastModified></Contents>"
        )
        end = "<IsTruncated>false</IsTruncated>"
        return answer(200, f"<ListBucketResult>{item}{more if token else end}</ListBucketResult>".encode())

    stub.script = [page("s/a", "more+/="), error(503, "SlowDown"), page("s/b", "")]
    assert [one.key for one in bucket.list("s/", after="s/0")] == ["s/a", "s/b"]
    queries: Sequence[str] = [request.path for request in stub.requests]
    assert "start-after=s%2F0" in queries[0]
    assert all("continuation-token=more%2B%2F%3D" in query for query in queries[1:])
