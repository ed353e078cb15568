"""Damaged and hostile files: any bytes give a record or a refusal, within the bounds, and never an exception."""

import json
import struct
import tracemalloc
import zlib
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_processor import BytesSource, FileSource, Record, extract
from image_processor.budget import LIMITS, READ, REQUESTS
from image_processor.formats.png import MAX_INFLATED
from infra.doubles.image_files import (
    ASCII,
    DOUBLE,
    EXIF_IFD,
    GPS_IFD,
    LONG,
    MAKE,
    RATIONAL,
    UNDEFINED,
    Raw,
    ascii_value,
    chunk,
    exif_segment,
    itxt,
    jpeg,
    packet,
    png,
    tiff,
    xmp_segment,
)
from ledger.columns import NAMES, TYPES
from tests.support.cpu_time import in_time
from tests.support.paths import PHOTOS

CUT = (
    "xmp-mixed.jpg",
    "nikon.jpg",
    "png-exif-gps.png",
    "made/webp-drone-xmp.webp",
    "heic-nikon.heic",
    "dng-small.dng",
)
MUTATED = (*CUT, "canon.jpg", "pixel8-extxmp.jpg", "made/dji-style-elements.jpg", "avif-exif-xmp.avif", "bigtiff.btf")
INTERESTING = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x08\0\0\0", b"\0\0\0\x08")
MAX_ITEM = 400 * 1024  # bytes of a DynamoDB item
MAX_WARNINGS = 50

needs_photos = pytest.mark.skipif(not PHOTOS.is_dir(), reason=f"the photo collection is not at {PHOTOS}")


def read(source: BytesSource) -> tuple[BytesSource, Record | None]:
    return source, extract(source)


def checked(data: bytes) -> Record | None:
    """Extract, and check everything that holds for any file."""
    source, record = in_time(1, lambda: read(BytesSource(data)))
    assert source.requests <= LIMITS[REQUESTS]
    assert source.bytes_read <= LIMITS[READ]
    if record is not None:
        check_attributes(record)
    return record


def check_attributes(record: Record) -> None:
    """An item that DynamoDB takes, of columns that the exporter knows."""
    assert set(record.attributes) <= set(NAMES)
    assert (
        sum(len(name) + len(text.encode()) for name, v in record.attributes.items() for text in v.values()) < MAX_ITEM
    )
    for name, value in record.attributes.items():
        ((kind, text),) = value.items()
        if TYPES[name] in ("integer", "decimal"):
            digits = Decimal(text).as_tuple()
            assert kind == "N"
            assert Decimal(text).is_finite()
            assert len(digits.digits) <= 38
        else:
            assert (kind, bool(text)) == ("S", True)
        if TYPES[name] == "json":
            json.loads(text, parse_constant=pytest.fail)
    warnings = json.loads(record.attributes.get("warnings", {"S": "[]"})["S"])
    assert len(warnings) <= MAX_WARNINGS


def peak_of(data: bytes) -> tuple[Record | None, int]:
    """Extract under the eye of tracemalloc; return the record and the most memory in use, in bytes."""
    tracemalloc.start()
    try:
        return checked(data), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A real file with a few bytes changed, doubled or lost, most of them where its structure stands."""
    data = bytearray((PHOTOS / draw(st.sampled_from(MUTATED))).read_bytes())
    for _ in range(draw(st.integers(1, 8))):
        at = draw(st.integers(0, min(len(data), draw(st.sampled_from([64, 1_000, 50_000])))))
        change = draw(st.sampled_from(["set", "number", "delete", "double", "cut"]))
        if change == "set":
            data[at : at + 1] = draw(st.binary(min_size=1, max_size=3))
        elif change == "number":
            data[at : at + 4] = draw(st.sampled_from(INTERESTING))
        elif change == "delete":
            del data[at : at + draw(st.integers(1, 40))]
        elif change == "double":
            data[at:at] = data[at : at + draw(st.integers(1, 200))]
        elif at > 16:
            del data[at:]
    return bytes(data)


@needs_photos
@settings(max_examples=400)
@given(st.data())
def test_no_mutation_of_a_real_file_ends_in_an_exception_or_above_the_bounds(data):
    """Real files, bent at random: Hypothesis keeps and shortens what fails."""
    checked(data.draw(mutated()))


@needs_photos
@pytest.mark.parametrize("name", CUT)
def test_a_file_cut_at_any_byte_gives_what_stood_before_the_cut(name):
    """Truncation at every 97th byte: uploads break off, and cards fail."""
    data = (PHOTOS / name).read_bytes()
    for cut in range(97, len(data), 97):
        assert checked(data[:cut]) is not None


@needs_photos
@pytest.mark.parametrize("path", sorted((PHOTOS / "bad").glob("*")), ids=lambda path: path.name)
def test_every_bad_file_is_a_row_or_a_refusal_within_a_second_and_100_mb(path):
    """The bad part of the collection, byte by byte hostile."""
    tracemalloc.start()
    record = in_time(1, lambda: extract(FileSource(path)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000_000
    if record is not None:
        check_attributes(record)
    assert (record is None) == (path.name in ("html-named.png", "text-named.jpg", "zero-byte.jpg"))


def value(record: Record | None, name: str) -> str | None:
    """The text of one attribute."""
    assert record is not None
    return next(iter(record.attributes.get(name, {"S": None}).values()))


EXIF = exif_segment(tiff({MAKE: ascii_value("DJI")}))
DRONE = packet('drone-dji:RelativeAltitude="+10.50"')


@pytest.mark.parametrize(
    "damaged",
    [
        DRONE + b"\0\0\1junk<",
        b"\xff\xfe" + DRONE.decode().encode("utf-16-le"),
        DRONE + b" " * 60_000,
    ],
)
def test_a_packet_with_something_behind_it_or_in_utf_16_is_read_in_full(damaged):
    """M17: bytes left by a shorter rewrite, another encoding, padding."""
    record = checked(jpeg(EXIF, xmp_segment(damaged)))
    assert (value(record, "make"), value(record, "relative_altitude_m")) == ("DJI", "10.5")


BOMB = "<!DOCTYPE x [<!ENTITY e0 'lol'>" + "".join(
    f"<!ENTITY e{level} '{f'&e{level - 1};' * 10}'>" for level in range(1, 11)
)


@pytest.mark.parametrize(
    "damaged",
    [
        DRONE.replace(b"</rdf:RDF>", b""),
        BOMB.encode() + b"]>" + DRONE.replace(b'rdf:about=""', b'rdf:about="&e10;"'),
        b"<!DOCTYPE x [<!ENTITY f SYSTEM 'file:///etc/passwd'>]>" + DRONE.replace(b'rdf:about=""', b'rdf:about="&f;"'),
    ],
)
def test_a_packet_that_is_broken_or_has_entities_is_refused_and_exif_is_kept(damaged):
    """M17: no expansion, no read, and still a row."""
    record, peak = peak_of(jpeg(EXIF, xmp_segment(damaged)))
    assert value(record, "make") == "DJI"
    assert "xmp" in (value(record, "warnings") or "")
    assert "root:" not in json.dumps(record.attributes)
    assert peak < 100_000_000


def test_8_mb_of_padding_cost_less_than_a_second_and_100_mb():
    """M17: the padding of an editor that did not care."""
    record, peak = peak_of(png(itxt(b"XML:com.adobe.xmp", DRONE + b" " * 8_388_608, compress=True)))
    assert value(record, "relative_altitude_m") == "10.5"
    assert peak < 100_000_000


@pytest.mark.parametrize(
    "tags",
    [
        {MAKE: ascii_value("Canon"), EXIF_IFD: {0x927C: Raw(UNDEFINED, 1_006_641_184, 8)}},
        {MAKE: ascii_value("Canon"), EXIF_IFD: Raw(LONG, 1, 8)},
        {MAKE: ascii_value("Canon"), 0x9C9C: Raw(DOUBLE, 1, 0x7FFFFF00)},
    ],
)
def test_counts_loops_and_offsets_that_lie_cost_their_own_tag(tags):
    """M20, M24: a maker note of 1,006,641,184 bytes, Exif that points to its parent, a value beyond the file."""
    record, peak = peak_of(jpeg(exif_segment(tiff(tags))))
    assert value(record, "make") == "Canon"
    assert value(record, "warnings")
    assert peak < 10_000_000


def test_a_chain_that_leads_back_to_its_start_and_65535_entries_keep_the_tags():
    """M20: a next-IFD offset of 8; an entry count far beyond the file."""
    loop = tiff({MAKE: ascii_value("Canon")}, last_next=8)
    crowd = bytearray(tiff({MAKE: ascii_value("Canon")}) + bytes(250))
    struct.pack_into("<H", crowd, 8, 65_535)
    for structure in (loop, bytes(crowd)):
        record = checked(jpeg(exif_segment(structure)))
        assert value(record, "make") == "Canon"
        assert value(record, "warnings")


KEYWORD = b"XML:com.adobe.xmp"


def in_png(*packets: bytes) -> bytes:
    """A PNG with these packets, compressed but for those that would be refused for it."""
    return png(*[itxt(KEYWORD, data, compress=len(data) <= MAX_INFLATED) for data in packets])


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: in_png(packet(body="<dc:a>" + "x<![CDATA[y]]>" * 300_000 + "</dc:a>")), id="pieces"),
        pytest.param(lambda: in_png(packet(body="<!---->" * 1_400_000)), id="comments"),
        pytest.param(lambda: in_png(*[packet(body="<dc:a/>" * 45_000)] * 50), id="50 packets of 45,000 elements"),
        pytest.param(
            lambda: png(*[chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"ab" * 30_000))] * 5_000),
            id="5,000 compressed texts",
        ),
        pytest.param(
            lambda: tiff({number: Raw(ASCII, 1_000_000, 8) for number in range(1_000, 3_000)}) + b"x" * 1_000_000,
            id="2,000 tags that share one megabyte",
        ),
        pytest.param(
            lambda: jpeg(*[exif_segment(tiff(dict.fromkeys(range(1_000, 1_500), ascii_value("abcdef"))))] * 300),
            id="300 Exif blocks of 500 tags",
        ),
    ],
)
def test_a_file_made_to_take_time_takes_less_than_a_second(make):
    """Bounds hold for the whole file: many small things are as bad as one large thing."""
    assert checked(make()) is not None


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: packet(" ".join(f'dc:a{number}="x"' for number in range(500_000))), id="attributes"),
        pytest.param(lambda: packet(body="<dc:a>" + "x" * 10_000_000 + "</dc:a>"), id="one value"),
        pytest.param(lambda: packet(body="<dc:a>" + "x\n" * 5_000_000 + "</dc:a>"), id="lines"),
    ],
)
def test_a_packet_made_to_take_memory_takes_less_than_100_mb(make):
    """Half a million attributes of one element, or 10 MB between two tags."""
    record, peak = peak_of(in_png(make()))
    assert value(record, "warnings")
    assert peak < 100_000_000


@pytest.mark.parametrize(("size", "compress"), [(8_000_000, False), (4_000_000, True)])
def test_padding_inside_of_the_document_is_no_text(size, compress):
    """Megabytes of blanks before the closing tag leave the values behind them whole."""
    padded = packet('drone-dji:RelativeAltitude="+10.50"', " " * size + "<dc:format>image/png</dc:format>")
    record = checked(png(itxt(KEYWORD, padded, compress=compress)))
    assert value(record, "relative_altitude_m") == "10.5"
    assert json.loads(value(record, "xmp"))["dc:format"] == "image/png"
    assert value(record, "warnings") is None


def test_values_scattered_beyond_the_limit_cost_themselves_only():
    """200 values, each 200 KB from the next: those within the limit of GETs are read, and the row says so."""
    scattered = {270 + number: Raw(ASCII, 20, 1_000_000 + number * 200_000) for number in range(2, 200)}
    record = checked(tiff({256: Raw(LONG, 1, 4000), **scattered}) + b"x" * 41_000_000)
    assert value(record, "width_px") == "4000"
    assert value(record, "model") == "x" * 20
    assert json.loads(value(record, "warnings"))[0] == "limit: 64 GETs: what is beyond was left out"


def test_hours_beyond_what_a_clock_can_hold_cost_the_time_only():
    """GPSTimeStamp of 4,294,967,295 hours: found by bending a real file."""
    gps = {7: (RATIONAL, 3, struct.pack("<6I", 0xFFFFFFFF, 1, 0, 1, 0, 1)), 29: ascii_value("2026:11:25")}
    record = checked(jpeg(exif_segment(tiff({MAKE: ascii_value("DJI"), GPS_IFD: gps}))))
    assert (value(record, "make"), value(record, "gps_datetime")) == ("DJI", None)
    assert "gps_datetime" in (value(record, "warnings") or "")
