"""The attributes of an item: types by column, sizes by DynamoDB, and nothing that either would refuse."""

import json
import re
from decimal import Decimal

import pytest

from image_processor.columns import item_size, precedence
from image_processor.columns.extract import Record, extract
from image_processor.columns.metadata import MAX_WARNING, MAX_WARNINGS
from image_processor.columns.reader import READER
from image_processor.reading.ranged import BytesSource, FileSource
from infra.doubles.image_files import (
    MAKE,
    ascii_value,
    chunk,
    exif_segment,
    itxt,
    jpeg,
    png,
    segment,
    tiff,
    xmp_segment,
)
from ledger.columns import COLUMNS, NAMES, TYPES
from tests.support.cpu_time import in_time
from tests.support.image_rows import ascii_bytes, cells, packet, photo, values_of
from tests.support.paths import PHOTOS

FILES = sorted(
    path for path in PHOTOS.rglob("*.*") if path.suffix not in (".md", ".json") and path.parent.name != "bad"
)
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?")
DIGITS = re.compile(r"-?\d{1,28}(\.\d{1,10})?")

needs_photos = pytest.mark.skipif(not PHOTOS.is_dir(), reason=f"the photo collection is not at {PHOTOS}")


def check(record: Record) -> None:
    """Each attribute has the type of its column, in the form that the exporter writes."""
    assert list(record.attributes) == [name for name in NAMES if name in record.attributes]
    for name, value in record.attributes.items():
        ((kind, content),) = value.items()
        assert kind == ("N" if TYPES[name] in ("integer", "decimal") else "S")
        if TYPES[name] == "integer":
            assert str(int(content)) == content
        elif TYPES[name] == "decimal":
            assert DIGITS.fullmatch(content)
            assert content not in ("-0", "0.0")
        elif TYPES[name] == "timestamp":
            assert STAMP.fullmatch(content)
        elif TYPES[name] == "json":
            assert json.loads(content)
            assert isinstance(json.loads(content), list if name in ("keywords", "warnings") else dict)
        else:
            assert content == content.strip() != ""
            assert "\0" not in content


@needs_photos
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_photo_gives_attributes_of_its_columns_types(path):
    """Integers are integers, decimals plain, timestamps ISO, documents JSON; nothing is empty."""
    record = extract(FileSource(path))
    assert record is not None
    check(record)


@needs_photos
def test_the_collection_fills_nearly_every_column():
    """A column that no photo fills would be untested."""
    filled = {name for path in FILES for name in (extract(FileSource(path)) or Record("", {})).attributes}
    own = {"ingested_at", "etag", "revision", "bucket", "key", "size_bytes", "copies", "content_type", "last_modified"}
    assert {column.name for column in COLUMNS} == filled | own | {"user_metadata"}


def test_what_is_no_image_gives_no_record():
    """By content: the caller counts it."""
    assert extract(BytesSource(b"")) is None
    assert extract(BytesSource(b"<html>" + bytes(100))) is None


def test_an_image_without_metadata_is_a_row_of_its_size():
    """Unknown columns are absent; no packet is a known number of packets."""
    record = extract(BytesSource(jpeg(width=4000, height=3000)))
    assert record is not None
    assert record.content_type == "image/jpeg"
    size = {"width_px": {"N": "4000"}, "height_px": {"N": "3000"}}
    assert record.attributes == {**size, "xmp_packets": {"N": "0"}, "reader_version": {"N": str(READER)}}


def test_the_documents_hold_everything_that_was_read():
    """Raw values beside the typed ones."""
    row = cells(photo(exif={0x9215: ascii_value("x")}, xmp=packet('drone-dji:RelativeAltitude="+10.50"')))
    assert row["exif"] == {"IFD0": {"Make": "DJI"}, "ExifIFD": {"ExposureIndex": "x"}}
    assert row["xmp"] == {"drone-dji:RelativeAltitude": "+10.50"}


def size(record: Record | None) -> int:
    assert record is not None
    return sum(len(name) + len(next(iter(value.values())).encode()) for name, value in record.attributes.items())


def big(properties: int, length: int, *behind: bytes) -> bytes:
    """A PNG whose XMP has so many properties of such a length."""
    body = "".join(f"<dc:p{number}>{'ß' * (length // 2)}</dc:p{number}>" for number in range(properties))
    return png(itxt(b"XML:com.adobe.xmp", packet('drone-dji:RelativeAltitude="+10.50"', body), compress=True), *behind)


@pytest.mark.parametrize(
    ("properties", "length"), [(1, 900_000), (3, 300_000), (40, 40_000), (3000, 300), (20_000, 20), (30_000, 2)]
)
def test_an_item_that_would_be_too_large_loses_its_largest_values_and_says_so(properties, length):
    """M22: the row is there, with its columns; what was cut tells its length."""
    photo = big(properties, length)
    record = in_time(1, lambda: extract(BytesSource(photo)))
    assert size(record) < 400_000
    row = values_of(record)
    assert row["relative_altitude_m"] == "10.5"
    assert any(text.startswith("xmp: cut to fit an item of ") for text in row["warnings"])
    if length > 1000:
        assert row["xmp"]["drone-dji:RelativeAltitude"] == "+10.50"
        cut = [value for value in row["xmp"].values() if isinstance(value, dict)]
        assert cut[0]["cut"]["bytes"] == pytest.approx(length, rel=0.01)


def test_an_item_below_the_limit_is_not_touched():
    """A packet of 64 KB and its keywords fit."""
    data = big(1, 100_000, chunk(b"IDAT", bytes(40_000)))
    assert "warnings" not in cells(data)
    assert len(cells(data)["xmp"]["dc:p0"]) == 50_000


def test_long_texts_and_endless_keywords_are_cut_at_a_character_and_stay_json():
    """Every text column at its largest still fits beside the documents."""
    words = "".join(f"<rdf:li>{'word ' * 20}{number}</rdf:li>" for number in range(8000))
    long = "ß" * 60_000
    body = f"<dc:subject><rdf:Bag>{words}</rdf:Bag></dc:subject>" + "".join(
        f"<{name}>{long}</{name}>"
        for name in ("dc:title", "dc:description", "dc:rights", "dc:creator", "tiff:Make", "tiff:Model", "aux:Lens")
    )
    data = png(itxt(b"XML:com.adobe.xmp", packet("", body), compress=True))
    assert size(extract(BytesSource(data))) < 400_000
    row = cells(data)
    assert 500 < len(row["keywords"]) < 8000
    assert row["keywords"][0] == ("word " * 20) + "0"
    assert set(row["title"]) == {"ß"}
    assert {text.partition(":")[0] for text in row["warnings"]} >= {"keywords", "xmp", "title"}


def test_what_is_kept_in_any_case_fits_an_item():
    """The bounds of `item_size` add up."""
    texts = len(precedence.TEXTS) + len(precedence.JOINED) + 1  # and the comment
    kept = 2 * item_size.KEEP_DOCUMENT + texts * item_size.KEEP_TEXT + item_size.KEEP_WORDS
    assert kept <= 0.9
    assert item_size.MAX_BYTES + MAX_WARNINGS * MAX_WARNING <= 380_000


@pytest.mark.parametrize(("missing", "cuts"), [(0, []), (1, ["xmp"])])
def test_an_item_is_cut_from_the_first_byte_too_many_on(missing, cuts):
    """What fits to the byte stays whole."""
    document, texts = {"dc:source": "ü" * 10_000}, {"title": "ö" * 10}
    needed = (
        500 + len("xmp" + "title") + len(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()) + 20
    )
    written, warnings = item_size.fit(texts, {"xmp": document}, 500, needed - missing)
    assert [warning.partition(":")[0] for warning in warnings] == cuts
    assert ("cut" in written["xmp"]) == bool(cuts)


def test_a_crowd_of_warnings_is_bounded_and_says_so():
    """A damaged file repeats itself; a row has room for fifty."""
    body = "".join(f"<dc:p{number}>a</dc:p{number}>" for number in range(100))
    other = body.replace(">a<", ">b<")
    row = cells(jpeg(xmp_segment(packet("", body)), xmp_segment(packet("", other))))
    assert len(row["warnings"]) == 50
    assert row["warnings"][-1] == "more warnings were left out"


def test_a_comment_segment_is_text():
    """JPEG COM has no declared encoding."""
    assert cells(jpeg(segment(0xFE, b"made by hand\0")))["comment"] == "made by hand"
    row = cells(jpeg(segment(0xFE, "Brücke".encode("latin-1"))))
    assert (row["comment"], row["warnings"]) == ("Brücke", ["comment: not UTF-8, read as Windows-1252"])


def test_numbers_reach_the_table_as_numbers_it_can_read_back():
    """`Decimal` of boto3 has 38 digits and traps anything inexact."""
    for value in cells(photo(gps={6: (5, 1, b"\1\0\0\0\3\0\0\0")})).items():
        if TYPES[value[0]] == "decimal":
            assert len(Decimal(value[1]).as_tuple().digits) <= 38


def test_text_that_only_blanks_make_up_is_absent():
    """DynamoDB takes no empty string as a value worth having."""
    row = cells(jpeg(exif_segment(tiff({MAKE: ascii_value("   "), 0x010E: ascii_bytes(b" \t\r\n\0")}))))
    assert not {"make", "description"} & row.keys()


def test_warnings_of_a_small_file_are_part_of_its_room():
    """2 KB became an item of 45 KB, of which 15 KB were contradictions between two packets with long names."""
    names = [chr(0x4E00 + number) + "か" * 99 for number in range(52)]
    packets = [packet("", "".join(f"<dc:{name}>{value}</dc:{name}>" for name in names)) for value in (1, 2)]
    data = png(*[itxt(b"XML:com.adobe.xmp", content, compress=True) for content in packets])
    row = cells(data)
    room = item_size.room(len(data))
    assert len(json.dumps(row["warnings"], ensure_ascii=False).encode()) < room / 7
    assert row["warnings"][-1] == "more warnings were left out"
