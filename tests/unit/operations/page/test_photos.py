"""Photos for the page: which objects, as what, and how much of them at a time."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, IncompleteReadError, NoCredentialsError, ReadTimeoutError
from moto import mock_aws

from infra.doubles.image_files import chunk, heif, jpeg, png, tiff, vp8x, webp
from infra.doubles.memory_bucket import MemoryBucket
from infra.doubles.memory_store import MemoryStore
from infra.doubles.refusal import refusal
from ledger.errors import NotFound, Unavailable
from ledger.ledger import Ledger
from operations.page.answers import Answer, Answers
from operations.page.photos import PIECE_BYTES, PhotoReader
from tests.support.page_world import keep

Find = Callable[[str], Answer]


@pytest.fixture
def find(exports: MemoryStore, images: MemoryBucket) -> Find:
    return Answers(Ledger(exports), PhotoReader(images, {"photos"})).find


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (jpeg(), "image/jpeg"),
        (png(chunk(b"IEND", b"")), "image/png"),
        (webp(vp8x()), "image/webp"),
        (tiff({}), "image/tiff"),
        (tiff({}, order=">", big=True), "image/tiff"),
        (heif(), "image/heif"),
        (heif(brand=b"avif"), "image/avif"),
        (b"GIF89a", "image/gif"),
        *(
            (b"\0\0\0\x18ftyp" + brand, "image/heif")
            for brand in (b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
        ),
        (b"\0\0\0\x18ftypavis", "image/avif"),
        (b"\xff\x0a\0", "image/jxl"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "image/jxl"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "image/jp2"),
        (b"BM\x36\x10\0\0\0\0\0\0", "image/bmp"),
    ],
)
def test_an_image_is_shown_as_what_its_bytes_say(
    find: Find, exports: MemoryStore, images: MemoryBucket, body: bytes, content_type: str
) -> None:
    """Its name says that it is a page of HTML, and is not listened to."""
    answer = find(keep(images, exports, 1, "survey/trick.html", body))
    assert (answer.content_type, b"".join(answer.body), answer.size) == (content_type, body, len(body))
    assert answer.headers["Content-Disposition"] == "inline; filename*=UTF-8''trick.html"


@pytest.mark.parametrize(
    "body",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<!doctype html><script>alert(1)</script>",
        b"%PDF-1.7",
        b"BM<script>alert(1)</script>",
        b"RIFF<a>>WEB<script>",
        b"    ftyphtml",
        b"\n" + jpeg(),
        b"",
    ],
)
def test_what_is_no_image_is_put_on_disk_and_not_shown(
    find: Find, exports: MemoryStore, images: MemoryBucket, body: bytes
) -> None:
    """Its name says that it is a JPEG, and is not listened to either."""
    answer = find(keep(images, exports, 1, "a.jpg", body))
    assert (answer.content_type, b"".join(answer.body)) == ("application/octet-stream", body)
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''a.jpg"


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("../../a//..%2f/./é b.jpg", "%C3%A9%20b.jpg"),
        ('x";\u2028 filename=y.exe', "x%22%3B%E2%80%A8%20filename%3Dy.exe"),
        ("folder/", "photo"),
        ("+=@'.jpg", "%2B%3D%40%27.jpg"),
        ("=1+1.jpg", "%3D1%2B1.jpg"),
    ],
)
def test_any_key_reaches_s3_as_it_is(
    find: Find, exports: MemoryStore, images: MemoryBucket, key: str, name: str
) -> None:
    """It comes out of the row and not out of the address, which has nothing in it that could be tidied away."""
    path = keep(images, exports, 1, key, jpeg())
    assert path.count("/") == 1
    answer = find(path)
    assert b"".join(answer.body) == jpeg()
    assert answer.headers["Content-Disposition"].removeprefix("inline; filename*=UTF-8''") == name


def test_no_object_can_be_asked_for_that_no_row_names(find: Find, exports: MemoryStore, images: MemoryBucket) -> None:
    """Not even one of the images bucket; nor one of another bucket that a row names."""
    images.put("secret.jpg", jpeg())
    path = keep(images, exports, 1, "a.jpg", jpeg())
    foreign = keep(images, exports, 2, "b.jpg", png(), bucket="payroll")
    for asked in (
        "photo/photos/secret.jpg",
        "photo/secret.jpg",
        "photo/",
        "photo/%2C",
        path[:-1],
        f"{path}0",
        f"{path}%0A",
        path.replace("%", "%25"),
        path.replace("2026", "2025"),
        path.replace("2026", "\u0662026"),
        foreign,
    ):
        with pytest.raises(NotFound):
            find(asked)
    assert images.gets == 0
    assert find(path).size == len(jpeg())


def test_an_object_that_is_another_by_now_is_not_given(find: Find, exports: MemoryStore, images: MemoryBucket) -> None:
    """What the row tells is of the object that it was made of: the read is pinned to its ETag."""
    path = keep(images, exports, 1, "a.jpg", jpeg())
    images.put("a.jpg", png())
    with pytest.raises(NotFound, match="PreconditionFailed"):
        find(path)
    images.delete("a.jpg")
    with pytest.raises(NotFound, match="NoSuchKey"):
        find(path)


class LargeBody:
    """A body of many pieces, of which it is noted how much was asked for at a time."""

    error: Exception = ReadTimeoutError(endpoint_url="https://s3")

    def __init__(self, size: int, breaks_at: int | None = None) -> None:
        self.left, self.breaks_at, self.read_so_far, self.largest, self.closed = size, breaks_at, 0, 0, False

    def read(self, size: int) -> bytes:
        self.largest = max(self.largest, size)
        if self.breaks_at is not None and self.read_so_far >= self.breaks_at:
            raise self.error
        piece = b"\xff\xd8\xff".ljust(size, b"\0")[: self.left]
        self.left -= len(piece)
        self.read_so_far += len(piece)
        return piece

    def close(self) -> None:
        self.closed = True


def served(images: MemoryBucket, body: LargeBody) -> None:
    """Let the bucket answer with this body, as long as it says to be."""
    size = body.left
    images.get_object = lambda **_: {"Body": body, "ContentLength": size}  # type: ignore[method-assign, assignment]


def test_a_photo_is_in_memory_by_pieces(find: Find, exports: MemoryStore, images: MemoryBucket) -> None:
    """However large it is, and only as far as somebody reads it."""
    path = keep(images, exports, 1, "a.jpg", jpeg())
    body = LargeBody(100 << 20)
    served(images, body)
    answer = find(path)
    pieces = iter(answer.body)
    assert (answer.size, len(next(pieces)), body.read_so_far) == (100 << 20, 16, 16)
    next(pieces)
    assert body.largest == PIECE_BYTES
    assert body.read_so_far == PIECE_BYTES + 16
    answer.close()
    assert body.closed
    assert sum(map(len, pieces)) == (100 << 20) - body.largest - 16


@pytest.mark.parametrize("breaks_at", [0, 16, 1 << 20])
def test_a_body_that_breaks_off_is_told(find: Find, exports: MemoryStore, images: MemoryBucket, breaks_at: int) -> None:
    path = keep(images, exports, 1, "a.jpg", jpeg())
    for error in (LargeBody.error, IncompleteReadError(actual_bytes=1, expected_bytes=2)):
        body = LargeBody(10 << 20, breaks_at)
        body.error = error
        served(images, body)
        with pytest.raises(Unavailable, match=rf"a\.jpg: {type(error).__name__}"):
            b"".join(find(path).body)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (refusal("AccessDenied", 403, request="GetObject"), "AccessDenied"),
        (refusal("SlowDown", 503, request="GetObject"), "SlowDown"),
        (NoCredentialsError(), "NoCredentialsError"),
    ],
)
def test_what_s3_refuses_is_told(
    find: Find, exports: MemoryStore, images: MemoryBucket, error: ClientError, told: str
) -> None:
    path = keep(images, exports, 1, "a.jpg", jpeg())

    def refuse(**_: Any) -> None:
        raise error

    images.get_object = refuse  # type: ignore[method-assign, assignment]
    with pytest.raises(Unavailable, match=told):
        find(path)


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="photos")
        yield client


def test_boto3_reads_what_was_pinned(exports: MemoryStore, images: MemoryBucket, s3: Any) -> None:
    """The double above answers as it does."""
    path = keep(images, exports, 1, "a/../b//c.jpg", jpeg())
    find = Answers(Ledger(exports), PhotoReader(s3, {"photos"})).find
    with pytest.raises(NotFound, match="NoSuchKey"):
        find(path)
    s3.put_object(Bucket="photos", Key="a/../b//c.jpg", Body=jpeg())
    answer = find(path)
    assert (answer.content_type, answer.size, b"".join(answer.body)) == ("image/jpeg", len(jpeg()), jpeg())
    answer.close()
    s3.put_object(Bucket="photos", Key="a/../b//c.jpg", Body=b"another")
    with pytest.raises(NotFound, match="PreconditionFailed"):
        find(path)
