"""The preview of a photo, read by ranges of its object: how many, how far, and of which object."""

import struct
from typing import Any

import pytest

from infra.doubles.image_files import exif_item, exif_segment, heif, jpeg, png
from infra.doubles.memory_bucket import MemoryBucket
from infra.doubles.memory_store import MemoryStore
from infra.doubles.refusal import refusal
from ledger.errors import NotFound, Unavailable
from ledger.ledger import Ledger
from operations.page.answers import Answers
from operations.page.photos import PhotoReader
from operations.page.preview.find import HEAD_BYTES
from tests.support.embedded_jpegs import THUMBNAIL, in_strip, with_jpegs
from tests.support.page_world import keep


def asked(exports: MemoryStore, images: Any, path: str) -> Any:
    return Answers(Ledger(exports), PhotoReader(images, {"photos"})).find(path.replace("photo/", "preview/"))


def test_a_preview_is_read_by_ranges_of_the_object_that_the_row_names(
    exports: MemoryStore, images: MemoryBucket
) -> None:
    """Pinned to its ETag; a photo of 20 MB costs its head, and a preview far behind it one more range."""
    ranges: list[str] = []
    get = images.get_object

    def watch(**arguments: Any) -> Any:
        ranges.append(arguments["Range"])
        return get(**arguments)

    images.get_object = watch  # type: ignore[method-assign]
    path = keep(images, exports, 1, "a.jpg", jpeg(exif_segment(with_jpegs(THUMBNAIL)), scan=bytes(20 << 20)))
    answer = asked(exports, images, path)
    assert (answer.content_type, b"".join(answer.body), answer.size) == ("image/jpeg", THUMBNAIL, len(THUMBNAIL))
    assert ranges == [f"bytes=0-{HEAD_BYTES - 1}"]
    ranges.clear()
    far = keep(images, exports, 2, "b.dng", in_strip(7, THUMBNAIL, gap=2 * HEAD_BYTES))
    assert b"".join(asked(exports, images, far).body) == THUMBNAIL
    assert len(ranges) == 2
    ranges.clear()
    item = keep(images, exports, 4, "d.heic", heif(exif_item(with_jpegs(THUMBNAIL)), gap=2 * HEAD_BYTES))
    assert b"".join(asked(exports, images, item).body) == THUMBNAIL
    assert len(ranges) == 2, "directories are not asked for one by one"
    directory, picture = 5 * HEAD_BYTES // 2, 3 * HEAD_BYTES // 2  # the second one is asked for after the first
    entries = struct.pack("<HHHIIHHII", 2, 513, 4, 1, picture, 514, 4, 1, len(THUMBNAIL))
    before = struct.pack("<2sHI", b"II", 42, directory).ljust(picture, b"\0") + THUMBNAIL
    back = keep(images, exports, 5, "e.tif", before.ljust(directory, b"\0") + entries + bytes(4))
    assert b"".join(asked(exports, images, back).body) == THUMBNAIL
    images.put("a.jpg", png())
    with pytest.raises(NotFound, match="PreconditionFailed"):
        asked(exports, images, path)
    with pytest.raises(NotFound):
        asked(exports, images, path + "0")
    foreign = keep(images, exports, 3, "c.jpg", jpeg(width=9), bucket="payroll")
    ranges.clear()
    with pytest.raises(NotFound, match="payroll"):
        asked(exports, images, foreign)
    assert ranges == []


def test_what_there_is_instead_of_a_preview_is_said_in_words(exports: MemoryStore, images: MemoryBucket) -> None:
    """And is no error, which a browser would write down; an empty object is one of them (S3: InvalidRange)."""
    for number, (body, words) in enumerate(
        (
            (png(), "PNG: no preview that browsers show"),
            (heif(), "HEIC: no preview that browsers show"),
            (b"", "No preview: this is no kind of image that is known here"),
        )
    ):
        answer = asked(exports, images, keep(images, exports, number, f"{number}.jpg", body))
        assert (answer.status, answer.content_type) == (200, "text/plain; charset=utf-8")
        assert b"".join(answer.body).decode() == words
        assert answer.size == len(words)


@pytest.mark.parametrize("claim", [100_000, 1 << 20])
def test_directories_that_stand_far_apart_are_not_followed_for_ever(
    exports: MemoryStore, images: MemoryBucket, claim: int
) -> None:
    """Each costs requests and bytes, and the caller pays for them."""
    step = HEAD_BYTES
    chain = bytearray(30 * step)
    chain[:8] = struct.pack("<2sHI", b"II", 42, step)
    for number in range(1, 13):
        offset = number * step
        entries = struct.pack("<HHIIHHII", 513, 4, 1, offset + 40, 514, 4, 1, claim)
        chain[offset : offset + 30] = struct.pack("<H", 2) + entries + struct.pack("<I", offset + step)
    path = keep(images, exports, 1, "a.dng", bytes(chain))
    asked_for: list[int] = []
    get = images.get_object

    def watch(**arguments: Any) -> Any:
        first, last = map(int, arguments["Range"].removeprefix("bytes=").split("-"))
        asked_for.append(last - first + 1)
        return get(**arguments)

    images.get_object = watch  # type: ignore[method-assign]
    assert asked(exports, images, path).content_type.startswith("text/plain")
    assert 10 < len(asked_for) <= 32
    assert sum(asked_for) <= 4 << 20


@pytest.mark.parametrize("code", ["AccessDenied", "SlowDown"])
def test_what_s3_refuses_is_told(exports: MemoryStore, images: MemoryBucket, code: str) -> None:
    path = keep(images, exports, 1, "a.jpg", jpeg())

    def refuse(**_: Any) -> None:
        raise refusal(code, 403, request="GetObject")

    images.get_object = refuse  # type: ignore[method-assign, assignment]
    with pytest.raises(Unavailable, match=code):
        asked(exports, images, path)
