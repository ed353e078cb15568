"""Ranged reads: what a GET asks for, how seldom it is asked, and what a refusal means."""

import io
from datetime import UTC, datetime

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.response import StreamingBody
from botocore.stub import Stubber
from hypothesis import given, settings
from hypothesis import strategies as st

from image_processor.budget import LIMITS, READ, REQUESTS
from image_processor.errors import (
    KeyUnusable,
    ObjectChanged,
    ObjectDenied,
    ObjectGone,
    ObjectUnavailable,
    ObjectUnreadable,
    ReadLimitReached,
)
from image_processor.reading.ranged import FAR_READ, FIRST_READ, READ_AHEAD, BytesSource, FileSource, S3Source

MODIFIED = datetime(2026, 11, 25, 3, 9, tzinfo=UTC)
CONTENT = bytes(range(256)) * 4096  # 1 MiB


@pytest.fixture(scope="module")
def client():
    return boto3.client("s3", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")


@pytest.fixture
def stubber(client):
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def answer(content: bytes, first: int, length: int, etag: str = '"e1"', **more: object) -> dict:
    part = content[first : first + length]
    return {
        "Body": StreamingBody(io.BytesIO(part), len(part)),
        "ContentLength": len(part),
        "ContentRange": f"bytes {first}-{first + len(part) - 1}/{len(content)}",
        "ETag": etag,
        "LastModified": MODIFIED,
        **more,
    }


def asked(first: int, length: int, **more: str) -> dict:
    return {"Bucket": "photos", "Key": "a b.jpg", "Range": f"bytes={first}-{first + length - 1}", **more}


def s3(client, *, etag="e1", version_id=None, size=None) -> S3Source:
    return S3Source(client, "photos", "a b.jpg", etag=etag, version_id=version_id, size=size)


def test_the_first_get_asks_for_the_head_pinned_by_etag_and_serves_all_reads_in_it(client, stubber):
    """One GET of the head is all that a walk in it costs, however many reads it makes."""
    stubber.add_response("get_object", answer(CONTENT, 0, FIRST_READ), asked(0, FIRST_READ, IfMatch='"e1"'))
    source = s3(client)
    assert source.read(0, 4) == CONTENT[:4]
    assert source.read(5, 60_000) == CONTENT[5:60_005]
    assert source.read(FIRST_READ - 10, 10) == CONTENT[FIRST_READ - 10 : FIRST_READ]
    assert (source.requests, source.bytes_read) == (1, FIRST_READ)


def test_the_head_is_never_more_than_128_kb(client, stubber):
    """The promise for a JPEG holds for kilobytes of 1,000 bytes too; and the longest Exif and a packet fit."""
    assert 65_536 + 32_768 <= FIRST_READ <= 128_000


def test_a_version_is_read_by_its_id(client, stubber):
    """In a versioned bucket the event's version is read even if it is not the current one."""
    expected = asked(0, FIRST_READ, IfMatch='"e1"', VersionId="v7")
    stubber.add_response("get_object", answer(CONTENT, 0, FIRST_READ, VersionId="v7"), expected)
    source = s3(client, version_id="v7")
    source.read(0, 1)
    assert source.version_id == "v7"


def test_without_an_etag_the_first_answer_pins_the_later_gets(client, stubber):
    """A rewrite between two GETs must not mix the bytes of two photos."""
    stubber.add_response("get_object", answer(CONTENT, 0, FIRST_READ, etag='"e9"'), asked(0, FIRST_READ))
    stubber.add_client_error("get_object", "PreconditionFailed", http_status_code=412)
    source = s3(client, etag=None)
    source.read(0, 1)
    assert source.etag == "e9"
    with pytest.raises(ObjectChanged):
        source.read(700_000, 1)


def test_an_etag_with_quotes_is_taken_without_them(client, stubber):
    """API answers quote ETags and events do not; quotes are neither doubled nor lost in If-Match."""
    stubber.add_response("get_object", answer(CONTENT, 0, FIRST_READ), asked(0, FIRST_READ, IfMatch='"e1"'))
    source = s3(client, etag='"e1"')
    source.read(0, 1)
    assert source.etag == "e1"


def test_the_size_is_the_objects_and_not_the_events(client, stubber):
    """Content-Range names the size of the bytes that are read; whatever the event said is overruled."""
    stubber.add_response("get_object", answer(b"x" * 300, 0, 5), asked(0, 5, IfMatch='"e1"'))
    source = s3(client, size=5)
    source.read(0, 5)
    assert source.size == 300


def test_the_answer_tells_when_and_how_the_object_was_stored(client, stubber):
    """The catalog takes last_modified and the storage class from here; S3 Standard is not named in answers."""
    stubber.add_response("get_object", answer(b"abc", 0, FIRST_READ), asked(0, FIRST_READ, IfMatch='"e1"'))
    source = s3(client)
    assert source.last_modified is None
    assert source.size == 3
    assert source.last_modified == MODIFIED


def test_an_object_known_to_be_empty_is_not_asked_for(client, stubber):
    """An empty object has nothing to read (S4)."""
    source = s3(client, size=0)
    assert source.read(0, 64) == b""
    assert source.requests == 0


def test_an_object_found_to_be_empty_is_empty_and_no_error(client, stubber):
    """S3 answers 416 to any range of an empty object."""
    stubber.add_client_error("get_object", "InvalidRange", http_status_code=416)
    source = s3(client)
    assert source.read(0, 64) == b""
    assert source.size == 0
    stubber.add_response("get_object", answer(CONTENT, 0, FIRST_READ))
    stubber.add_client_error("get_object", "InvalidRange", http_status_code=416)
    cut = s3(client)
    cut.read(0, 64)
    with pytest.raises(ObjectUnavailable):
        cut.read(900_000, 64)


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("NoSuchKey", 404, ObjectGone),
        ("NoSuchVersion", 404, ObjectGone),
        ("MethodNotAllowed", 405, ObjectGone),
        ("Gone", 410, ObjectGone),
        ("PreconditionFailed", 412, ObjectChanged),
        ("OperationAborted", 409, ObjectChanged),
        ("AccessDenied", 403, ObjectDenied),
        ("KMS.AccessDeniedException", 400, ObjectDenied),
        ("KMS.DisabledException", 400, KeyUnusable),
        ("KMS.KMSInvalidStateException", 400, KeyUnusable),
        ("KMS.NotFoundException", 400, KeyUnusable),
        ("KMS.ThrottlingException", 400, ObjectUnavailable),
        ("KMS.KeyUnavailableException", 500, ObjectUnavailable),
        ("InvalidObjectState", 403, ObjectUnreadable),
        ("InvalidRequest", 400, ObjectUnreadable),
        ("400", 400, ObjectUnreadable),
        ("SlowDown", 503, ObjectUnavailable),
        ("InternalError", 500, ObjectUnavailable),
        ("RequestTimeout", 400, ObjectUnavailable),
    ],
)
def test_a_refusal_is_named_by_what_is_to_be_done(client, stubber, code, status, error):
    """S7: gone, changed, unreadable, denied and unavailable objects need different answers."""
    stubber.add_client_error("get_object", code, http_status_code=status)
    with pytest.raises(error, match=code):
        s3(client).read(0, 64)


@pytest.mark.parametrize("error", [EndpointConnectionError(endpoint_url="https://s3"), ConnectionResetError()])
def test_a_broken_connection_is_worth_another_try(error, monkeypatch, client):
    """A network failure says nothing about the object."""

    def fail(**_request):
        raise error

    monkeypatch.setattr(client, "get_object", fail)
    with pytest.raises(ObjectUnavailable):
        s3(client).read(0, 64)


def test_a_body_that_ends_early_is_worth_another_try(client, stubber):
    """A short body must not be taken for a short object."""
    cut = {**answer(CONTENT, 0, 100), "ContentRange": f"bytes 0-{FIRST_READ - 1}/{len(CONTENT)}"}
    stubber.add_response("get_object", cut)
    with pytest.raises(ObjectUnavailable, match="only 100"):
        s3(client).read(0, 64)


def test_a_server_that_ignores_ranges_is_read_once_and_no_further(client, stubber):
    """An answer without Content-Range is the whole object: its head is usable, an offset is not."""
    whole = answer(CONTENT, 0, len(CONTENT))
    del whole["ContentRange"]
    again = answer(CONTENT, 0, len(CONTENT))
    del again["ContentRange"]
    stubber.add_response("get_object", whole)
    stubber.add_response("get_object", again)
    source = s3(client)
    assert source.read(0, 64) == CONTENT[:64]
    assert (source.size, source.bytes_read) == (len(CONTENT), FIRST_READ)
    with pytest.raises(ObjectUnavailable, match="byte ranges"):
        source.read(900_000, 1)


def test_a_far_item_costs_one_more_get_of_its_neighbourhood():
    """Never a download: 64 KiB around what was asked for, and its neighbours come with it."""
    source = BytesSource(bytes(50_000_000))
    source.read(0, 64)
    source.read(30_000_000, 2_000)
    source.read(30_010_000, 2_000)
    assert source.requests == 2
    assert source.bytes_read == FIRST_READ + FAR_READ


def test_a_far_item_longer_than_the_neighbourhood_costs_one_get_too():
    """A packet of 300 KB at the end of a file is one request."""
    source = BytesSource(bytes(50_000_000))
    source.read(0, 64)
    assert len(source.read(30_000_000, 300_000)) == 300_000
    assert source.requests == 2
    assert source.bytes_read < FIRST_READ + 300_000 + 2 * FAR_READ


def test_the_end_of_a_file_comes_with_what_stands_before_it():
    """A directory at the end points to values just before it."""
    source = BytesSource(bytes(50_000_001))
    source.read(0, 64)
    source.read(50_000_000, 1)
    source.read(50_000_000 - 50_000, 1_000)
    assert source.requests == 2


def test_a_walk_that_goes_on_behind_the_head_reads_ahead_in_growing_steps():
    """700 KB of segments before the scan cost three GETs and not one each."""
    source = BytesSource(bytes(5_000_000))
    for position in range(0, 700_000, 4_000):
        source.read(position, 4)
    assert source.requests == 3
    assert source.bytes_read == FIRST_READ + sum(READ_AHEAD)


def test_only_who_walks_on_reads_ahead():
    """Over a gap or not, and again from the first step after a leap; a leap back is no walk."""
    source = BytesSource(bytes(9_000_000))
    costs = []
    for position in (0, FIRST_READ + 16_384, 5_000_000, 5_000_000 // 8192 * 8192 + FAR_READ, 1_000_000):
        before = source.bytes_read
        source.read(position, 4)
        costs.append(source.bytes_read - before)
    assert costs == [FIRST_READ, READ_AHEAD[0], FAR_READ, READ_AHEAD[0], FAR_READ]


@settings(max_examples=200)
@given(
    size=st.integers(0, 1_000_000),
    reads=st.lists(st.tuples(st.integers(0, 1_100_000), st.integers(0, 200_000)), max_size=20),
)
def test_any_reads_return_the_bytes_of_the_file_and_fetch_none_twice_without_need(size, reads):
    """The cache is invisible but for its counters."""
    content = CONTENT[:size]
    source = BytesSource(content)
    for offset, length in reads:
        assert source.read(offset, length) == content[offset : offset + length]
    assert source.requests <= len(reads) + 1
    assert source.bytes_read <= 2 * size
    spent = source.requests
    for offset, length in reads:
        source.read(offset, length)
    assert source.requests == spent


def test_reads_outside_of_the_file_are_empty():
    """Negative offsets and lengths come from files that lie."""
    source = BytesSource(b"abc")
    assert source.read(3, 1) == source.read(-1, 5) == source.read(0, -5) == source.read(0, 0) == b""


def test_one_image_may_cost_only_so_many_requests(monkeypatch):
    """A file whose parts lie scattered by intent must not keep the function busy."""
    monkeypatch.setitem(LIMITS, REQUESTS, 5)
    source = BytesSource(bytes(100_000_000))
    for position in range(0, 4_000_000, 1_000_000):
        source.read(position, 1)
    assert source.read(3_000_000, 1) == b"\0"
    source.read(5_000_000, 1)
    with pytest.raises(ReadLimitReached):
        source.read(6_000_000, 1)
    assert source.requests == 5


def test_one_image_may_cost_only_so_many_bytes():
    """The limit is checked before the GET and not after it; what was read stays readable."""
    source = BytesSource(bytes(LIMITS[READ] + 1_000_000))
    source.read(0, 64)
    with pytest.raises(ReadLimitReached):
        source.read(0, source.size)
    assert source.bytes_read == FIRST_READ
    assert len(source.read(100, 50)) == 50


def test_a_file_costs_what_the_same_object_in_s3_would(client, stubber, tmp_path):
    """The benchmark's counters are S3Source's: they share the cache."""
    path = tmp_path / "photo"
    path.write_bytes(CONTENT)
    local, remote, memory = FileSource(path), s3(client, size=len(CONTENT)), BytesSource(CONTENT)
    stubber.add_response("get_object", answer(CONTENT, 0, FIRST_READ), asked(0, FIRST_READ, IfMatch='"e1"'))
    first = 300_000 // 8192 * 8192
    stubber.add_response("get_object", answer(CONTENT, first, FAR_READ), asked(first, FAR_READ, IfMatch='"e1"'))
    for source in (local, remote, memory):
        assert source.read(10, 100) == CONTENT[10:110]
        assert source.read(300_000, 100) == CONTENT[300_000:300_100]
    assert (local.requests, local.bytes_read) == (remote.requests, remote.bytes_read) == (2, FIRST_READ + FAR_READ)
    assert (memory.requests, memory.bytes_read) == (local.requests, local.bytes_read)
