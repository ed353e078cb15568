"""Which embedded picture is the preview of a photo, by how few reads, and never what no browser should unfold."""

import random
import struct
from itertools import cycle

import pytest

from infra.doubles.image_files import (
    Item,
    Raw,
    bytes_value,
    exif_item,
    exif_segment,
    full_box,
    heif,
    jpeg,
    png,
    psd,
    resource,
    segment,
    tiff,
    vp8x,
    webp,
)
from infra.doubles.image_files import box as make_box
from infra.doubles.raw_files import PREVIEW_UUID, cr3, orf, raf, rw2, thumbnail
from operations.page.preview.find import HEAD_BYTES, MOST_BYTES, find_preview
from tests.support.embedded_jpegs import LARGER, THUMBNAIL, in_strip, psd_thumbnail, with_jpegs
from tests.support.paths import PHOTOS

HEVC = bytes.fromhex("00002e782801af88") + bytes(40)
FULL_SIZE = jpeg(exif_segment(with_jpegs(THUMBNAIL)), width=6000, height=2000, scan=bytes(MOST_BYTES))


def preview_of(body: bytes) -> tuple[bytes | str, list[tuple[int, int]]]:
    """Find the preview of these bytes; give it and what was read."""
    reads: list[tuple[int, int]] = []

    def read(offset: int, count: int) -> bytes:
        assert min(offset, count) >= 0
        reads.append((offset, count))
        return body[offset : offset + count]

    return find_preview(read, len(body)), reads


def sony(kind: bytes, picture: bytes, reference: bytes = b"thmb", **options: bool) -> bytes:
    """Make a HEIF file with two thumbnails, as Sony's cameras do: one as the image is coded, and this one."""
    larger = Item(b"hvc1", HEVC, reference=b"thmb")
    return heif(larger, Item(kind, picture, reference=reference, **options), brand=b"heix")


def with_size(size: bytes, more: bytes = b"") -> bytes:
    """Make a CR3 whose box of the preview says its size otherwise; `more` follows its type."""
    photo = cr3(preview=LARGER)
    at = photo.index(b"uuid" + PREVIEW_UUID)
    return photo[: at - 4] + size + b"uuid" + more + photo[at + 4 :]


def heif_of(*boxes: bytes) -> bytes:
    """Make a HEIF file with these boxes in `meta`."""
    return make_box(b"ftyp", b"heic" + bytes(4) + b"mif1") + full_box(b"meta", b"".join(boxes))


def behind_pieces() -> bytes:
    """Make a HEIF file whose thumbnail's place is told behind that of an image in two pieces, without index numbers."""
    names = ((2, b"hvc1"), (3, b"jpeg"))
    entries = [full_box(b"infe", struct.pack(">HH", number, 0) + kind, version=2) for number, kind in names]
    infos = full_box(b"iinf", struct.pack(">H", len(entries)) + b"".join(entries))
    references = full_box(b"iref", make_box(b"thmb", struct.pack(">HHH", 3, 1, 2)))
    start = 0
    for _ in range(2):  # the second time it is known where the boxes end
        pieces = struct.pack(">HHHIIII", 2, 0, 2, 1, 1, 2, 2)
        whole = struct.pack(">HHHII", 3, 0, 1, start, len(THUMBNAIL))
        photo = heif_of(infos, references, full_box(b"iloc", struct.pack(">HH", 0x4404, 2) + pieces + whole))
        start = len(photo)
    return photo + THUMBNAIL


LARGE_JPEG = bytes(HEAD_BYTES)  # behind a JPEG: too large to be shown itself

HAVE = {
    "the Exif thumbnail": (jpeg(exif_segment(with_jpegs(THUMBNAIL))) + LARGE_JPEG, THUMBNAIL),
    "in the other byte order": (jpeg(exif_segment(with_jpegs(THUMBNAIL, order=">"))) + LARGE_JPEG, THUMBNAIL),
    "behind JFIF": (jpeg(segment(0xE0, b"JFIF\0"), exif_segment(with_jpegs(THUMBNAIL))) + LARGE_JPEG, THUMBNAIL),
    "rather than a small JPEG itself": (jpeg(exif_segment(with_jpegs(THUMBNAIL))), THUMBNAIL),
    "a small JPEG itself": (jpeg(), jpeg()),
    "the largest of a raw's": (with_jpegs(THUMBNAIL, LARGER), LARGER),
    "the largest that is not too large": (with_jpegs(THUMBNAIL, FULL_SIZE), THUMBNAIL),
    "a DNG's in a strip": (in_strip(7, THUMBNAIL), THUMBNAIL),
    "far behind the head": (in_strip(7, THUMBNAIL, gap=2 * HEAD_BYTES), THUMBNAIL),
    "an RW2's": (rw2({}, preview=THUMBNAIL), THUMBNAIL),
    "an RW2's of a newer camera": (rw2({0x127: bytes_value(THUMBNAIL)}), THUMBNAIL),
    "a RAF's": (raf(LARGER), LARGER),
    "a RAF's thumbnail, where the JPEG is as large as the photo": (raf(FULL_SIZE), THUMBNAIL),
    "a CR3's thumbnail": (cr3(thumbnail(THUMBNAIL)), THUMBNAIL),
    "a CR3's larger one": (cr3((b"CMT1", tiff({})), thumbnail(THUMBNAIL), xmp=b"<x/>", preview=LARGER), LARGER),
    "a CR3's larger one alone": (cr3(preview=LARGER, image=1000), LARGER),
    "in a box that reaches to the end": (with_size(bytes(4)), LARGER),
    "in a box with a size of eight bytes": (with_size(b"\0\0\0\1", struct.pack(">Q", 1 << 20)), LARGER),
    "a HEIF thumbnail that is a JPEG": (sony(b"jpeg", THUMBNAIL), THUMBNAIL),
    "and is told of behind an image in pieces": (behind_pieces(), THUMBNAIL),
    "and stands in idat": (sony(b"jpeg", THUMBNAIL, in_idat=True), THUMBNAIL),
    "in the Exif of a HEIC": (heif(exif_item(with_jpegs(THUMBNAIL)), gap=2 * HEAD_BYTES), THUMBNAIL),
    "in the Exif of an AVIF": (heif(exif_item(with_jpegs(THUMBNAIL, order=">")), brand=b"avif"), THUMBNAIL),
    "an Exif item without a prefix": (heif(Item(b"Exif", bytes(4) + with_jpegs(THUMBNAIL))), THUMBNAIL),
    "a Photoshop document's": (psd(resource(1005, bytes(3), b"name"), psd_thumbnail(LARGER), mode=bytes(9)), LARGER),
    "a large document's": (psd(psd_thumbnail(LARGER)).replace(b"8BPS\0\1", b"8BPS\0\2"), LARGER),
    "in the Exif of one": (psd(resource(1058, with_jpegs(THUMBNAIL))), THUMBNAIL),
}  # fmt: skip


@pytest.mark.parametrize(("body", "preview"), HAVE.values(), ids=HAVE)
def test_the_embedded_picture_is_found_if_a_browser_shows_it(body: bytes, preview: bytes) -> None:
    """Of several the largest that is not too large, by few reads."""
    found, reads = preview_of(body)
    assert found == preview
    assert len(reads) < 60
    assert max(count for _, count in reads) <= MOST_BYTES


HAVE_NOT = {
    "a strip that is no JPEG": ("TIFF", in_strip(1, THUMBNAIL)),
    "a raw's own lossless data": ("TIFF", in_strip(7, THUMBNAIL.replace(b"\xff\xc0", b"\xff\xc3"))),
    "none in a large one": ("JPEG", jpeg(scan=bytes(HEAD_BYTES))),
    "one that unfolds too far": ("JPEG", jpeg(exif_segment(with_jpegs(jpeg(width=65000, height=65000)))) + LARGE_JPEG),
    "a small one that unfolds too far": ("JPEG", jpeg(width=65000, height=65000)),
    "markup instead": ("JPEG", jpeg(exif_segment(with_jpegs(b"<svg>nothing but markup</svg>"))) + LARGE_JPEG),
    "one that is cut off": ("TIFF", with_jpegs(LARGER)[:-20]),
    "a RAF whose JPEG is elsewhere": ("RAF", raf(LARGER)[:100]),
    "a RAF without one": ("RAF", raf(b"")),
    "a CR3 of HDR": ("CR3", cr3(thumbnail(HEVC), preview=HEVC)),
    "another maker's box in a CR3": ("CR3", cr3(preview=LARGER).replace(b"\xea\xf4\x2b\x5e", b"\xea\xf4\x2b\x5f")),
    "a HEIC of a phone": ("HEIC", sony(b"hvc1", HEVC)),
    "a JPEG in a HEIF that is no thumbnail": ("HEIC", sony(b"jpeg", THUMBNAIL, reference=b"auxl")),
    "a thumbnail coded as the image is": ("HEIC", sony(b"hvc1", THUMBNAIL)),
    "a thumbnail behind a Photoshop document's resources": ("PSD", psd() + psd_thumbnail(LARGER)),
    "a Photoshop thumbnail that is raw": ("PSD", psd(psd_thumbnail(LARGER, kind=0))),
    "an older one, blue before red": ("PSD", psd(psd_thumbnail(LARGER, number=1033))),
    "PNG": ("PNG", png()), "WebP": ("WebP", webp(vp8x())), "AVIF": ("AVIF", heif(brand=b"avif")),
    "GIF": ("GIF", b"GIF89a"), "JPEG XL": ("JPEG XL", b"\xff\x0a\0"),
    "a TIFF cut off": ("TIFF", b"II*\0"), "a CR3 cut off": ("CR3", cr3()[:20]), "a PSD cut off": ("PSD", psd()[:27]),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "body"), HAVE_NOT.values(), ids=HAVE_NOT)
def test_a_photo_without_one_that_browsers_show_is_named_by_its_kind(kind: str, body: bytes) -> None:
    """Its reader is told why no picture comes, and thinks of no fault."""
    assert preview_of(body)[0] == f"{kind}: no preview that browsers show"


@pytest.mark.parametrize("body", [b"", b"\xff\xd8", b"<svg/>", b"FUJIFILM", orf({}), b"RIFF....WAVEfmt "])
def test_what_is_no_known_kind_of_image_says_so(body: bytes) -> None:
    assert preview_of(body)[0] == "No preview: this is no kind of image that is known here"


def test_directories_that_lead_in_a_circle_or_nowhere_end() -> None:
    """A structure may claim anything."""
    circle = tiff({271: (2, 4, b"DJI\0")}, last_next=8)
    many = tiff({330: (4, 50_000, struct.pack("<12I", *range(8, 8 + 48, 4)))})
    far = tiff({330: Raw(4, 1, 0xFFFFFFFF), 513: Raw(4, 1, 0xFFFFFFF0), 514: Raw(4, 1, 1000)})
    huge = tiff({513: Raw(4, 1, 8), 514: Raw(4, 1, 0xFFFFFFFF)})
    for body in (circle, many, far, huge, circle[:13], b"II*\0\xff\xff\xff\xff"):
        for photo in (body, jpeg(exif_segment(body), scan=bytes(HEAD_BYTES))):
            assert_bounded(photo, most_reads=100)


def test_boxes_and_resources_that_repeat_or_lie_end() -> None:
    """A few bytes can say that a million follow; each may cost the caller a request."""
    places = full_box(b"iloc", struct.pack(">HH", 0, 65535) + b"\0\1\0\0\xff\xff" * 65535)
    infos = full_box(b"iinf", b"\0\0" + full_box(b"infe", b"\0\1\0\0jpeg", version=2) * 40_000)
    photos = {
        "boxes without content": make_box(b"ftyp", b"heic") + make_box(b"free", b"") * 100_000,
        "a box without an end": make_box(b"ftyp", b"heic") + b"\0\0\0\1free" + b"\xff" * 8,
        "a box that stands still": make_box(b"ftyp", b"heic") + b"\0\0\0\1free" + bytes(8),
        "pieces without bytes": heif_of(places),
        "one item over and over": heif_of(infos, places),
        "Exif items without number": heif(*[exif_item(b"")] * 2000),
        "boxes of Canon's": cr3(*[thumbnail(b"\xff\xd8\xff")] * 10_000),
        "resources without content": psd(resource(1, b"") * 100_000),
        "thumbnails that are none": psd(psd_thumbnail(b"") * 10_000),
        "a RAF that is its own JPEG": b"FUJIFILMCCD-RAW ".ljust(84, b"0") + struct.pack(">II", 0, 0xFFFFFFFF),
    }
    for photo in photos.values():
        assert_bounded(photo, most_reads=450)


def assert_bounded(photo: bytes, most_reads: int) -> None:
    found, reads = preview_of(photo)
    assert isinstance(found, str)
    assert len(reads) < most_reads
    assert max(count for _, count in reads) <= MOST_BYTES


def test_a_damaged_photo_raises_nothing() -> None:
    """Whatever byte is another: what is given is a JPEG, or words."""
    chance = random.Random(7)
    for _, (body, _) in zip(range(1500), cycle(HAVE.values()), strict=False):
        damaged = bytearray(body[: HEAD_BYTES // 2])
        for _ in range(3):
            damaged[chance.randrange(min(len(damaged), 700))] = chance.choice((0, 1, 8, 127, 255))
        found, reads = preview_of(bytes(damaged))
        assert isinstance(found, str) or found[:2] == b"\xff\xd8"
        assert len(reads) < 450


def test_real_photos_show_their_thumbnails() -> None:
    """Of DJI drones, a Pixel phone and a thermal camera: pictures of their own, far smaller than the photo."""
    for name in ("dji-fc220-0010.head.jpg", "dji-h20t-thermal.head.jpg", "pixel-tiny.head.jpg", "flir-e40.jpg"):
        body = (PHOTOS / name).read_bytes()
        found, _ = preview_of(body)
        assert isinstance(found, bytes), name
        assert found in body[1:], name
        assert len(found) < len(body) / 3, name


def test_real_photos_of_phones_have_none() -> None:
    """Their thumbnails are coded as the image is."""
    for name in ("iphone-heic.heic", "heic-nikon.heic"):
        assert preview_of((PHOTOS / name).read_bytes())[0] == "HEIC: no preview that browsers show", name
