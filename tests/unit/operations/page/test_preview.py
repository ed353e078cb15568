"""The preview of a photo: which embedded picture, by how few reads, and never what no browser should unfold."""

import struct
from collections.abc import Callable
from typing import Any

import pytest

from infra.doubles.image_files import Raw, exif_segment, heif, jpeg, png, segment, tiff, webp
from infra.doubles.memory_bucket import MemoryBucket
from infra.doubles.memory_store import MemoryStore
from infra.doubles.raw_files import short_value
from infra.doubles.refusal import refusal
from ledger.errors import NotFound, Unavailable
from ledger.ledger import Ledger
from operations.page.answers import Answers
from operations.page.photos import PhotoReader
from operations.page.preview import HEAD_BYTES, MOST_BYTES, find_preview
from tests.support.page_world import keep
from tests.support.paths import PHOTOS

THUMBNAIL = jpeg(width=160, height=120)
LARGER = jpeg(width=1024, height=768, scan=bytes(5000))


def with_jpegs(*embedded: bytes, order: str = "<", more: Callable[[int], dict[int, Any]] | None = None) -> bytes:
    """Make a TIFF whose directories behind the first one each say where one of these JPEGs stands, behind them all.

    Args:
        embedded: the JPEGs.
        order: byte order.
        more: tags of the first directory, given where the JPEGs begin.
    """
    start = 0
    for _ in range(2):  # the second time it is known where the directories end
        offsets = [start + sum(map(len, embedded[:number])) for number in range(len(embedded))]
        below = [
            {513: Raw(4, 1, offset), 514: Raw(4, 1, len(one))} for offset, one in zip(offsets, embedded, strict=True)
        ]
        structure = tiff({271: (2, 4, b"DJI\0")} | (more(start) if more else {}), *below, order=order)
        start = len(structure)
    return structure + b"".join(embedded)


def in_strip(kind: int, picture: bytes, gap: int = 0) -> bytes:
    """Make a TIFF with a directory below the first one, whose one strip is this picture, as DNG has its previews."""

    def below(start: int) -> dict[int, Any]:
        offset = start + gap
        return {330: {259: short_value(kind), 273: Raw(4, 1, offset), 279: Raw(4, 1, len(picture))}}

    return with_jpegs(more=below) + bytes(gap) + picture


def preview_of(body: bytes) -> tuple[bytes | None, list[tuple[int, int]]]:
    """Find the preview of these bytes; give it and what was read."""
    reads: list[tuple[int, int]] = []

    def read(offset: int, count: int) -> bytes:
        reads.append((offset, count))
        return body[offset : offset + count]

    return find_preview(read, len(body)), reads


@pytest.mark.parametrize(
    ("body", "preview"),
    [
        (jpeg(exif_segment(with_jpegs(THUMBNAIL)), width=4000), THUMBNAIL),
        (jpeg(exif_segment(with_jpegs(THUMBNAIL, order=">")), width=4000), THUMBNAIL),
        (jpeg(segment(0xE0, b"JFIF\0"), exif_segment(with_jpegs(THUMBNAIL))), THUMBNAIL),
        (with_jpegs(THUMBNAIL, LARGER), LARGER),
        (in_strip(7, THUMBNAIL), THUMBNAIL),
        (in_strip(7, THUMBNAIL, gap=2 * HEAD_BYTES), THUMBNAIL),
        (in_strip(1, THUMBNAIL), None),
        (in_strip(7, THUMBNAIL.replace(b"\xff\xc0", b"\xff\xc3")), None),
        (jpeg(), jpeg()),
        (jpeg(scan=bytes(HEAD_BYTES)), None),
        (jpeg(exif_segment(with_jpegs(jpeg(width=65000, height=65000))), scan=bytes(HEAD_BYTES)), None),
        (jpeg(width=65000, height=65000), None),
        (jpeg(exif_segment(with_jpegs(b"<svg>nothing but markup</svg>")), scan=bytes(HEAD_BYTES)), None),
        (with_jpegs(LARGER)[:-20], None),
        (heif(), None), (png(), None), (webp(), None), (b"<svg/>", None), (b"\xff\xd8", None), (b"II*\0", None),
        (b"", None),
    ],
    ids=["the Exif thumbnail", "in the other byte order", "behind JFIF", "the largest of a raw's", "a DNG's in a strip",
         "far behind the head", "a strip that is no JPEG", "a raw's own lossless data", "a small JPEG itself",
         "none in a large one", "one that unfolds too far", "a small one that unfolds too far", "markup instead",
         "one that is cut off", "HEIC", "PNG", "WebP", "SVG", "a mark alone", "a TIFF cut off", "nothing"],
)  # fmt: skip
def test_the_embedded_picture_is_found_if_a_browser_shows_it(body: bytes, preview: bytes | None) -> None:
    """Of several the largest; only what begins as a JPEG that browsers show, and says a bounded size."""
    if preview is not None and b"Exif" in body and preview is THUMBNAIL and len(body) < HEAD_BYTES:
        body += bytes(HEAD_BYTES)  # too large to be shown itself
    found, reads = preview_of(body)
    assert found == preview
    assert len(reads) < 20
    assert max(count for _, count in reads) <= MOST_BYTES


def test_directories_that_lead_in_a_circle_or_nowhere_end() -> None:
    """A structure may claim anything."""
    circle = tiff({271: (2, 4, b"DJI\0")}, last_next=8)
    many = tiff({330: (4, 50_000, struct.pack("<12I", *range(8, 8 + 48, 4)))})
    far = tiff({330: Raw(4, 1, 0xFFFFFFFF), 513: Raw(4, 1, 0xFFFFFFF0), 514: Raw(4, 1, 1000)})
    huge = tiff({513: Raw(4, 1, 8), 514: Raw(4, 1, 0xFFFFFFFF)})
    for body in (circle, many, far, huge, circle[:13], b"II*\0\xff\xff\xff\xff"):
        for photo in (body, jpeg(exif_segment(body), scan=bytes(HEAD_BYTES))):
            found, reads = preview_of(photo)
            assert found is None
            assert len(reads) < 100
            assert max(count for _, count in reads) <= MOST_BYTES


def test_real_photos_show_their_thumbnails() -> None:
    """Of DJI drones, a Pixel phone and a thermal camera: pictures of their own, far smaller than the photo."""
    for name in ("dji-fc220-0010.head.jpg", "dji-h20t-thermal.head.jpg", "pixel-tiny.head.jpg", "flir-e40.jpg"):
        body = (PHOTOS / name).read_bytes()
        found, _ = preview_of(body)
        assert found is not None, name
        assert found in body[1:], name
        assert len(found) < len(body) / 3, name


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


def test_a_photo_without_a_preview_is_an_answer_without_a_body(exports: MemoryStore, images: MemoryBucket) -> None:
    """And no error, which a browser would write down; an empty object is one of them (S3: InvalidRange)."""
    for number, body in enumerate((png(), b"", heif())):
        answer = asked(exports, images, keep(images, exports, number, f"{number}.jpg", body))
        assert (answer.status, [*answer.body]) == (204, [])


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
    assert asked(exports, images, path).status == 204
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
