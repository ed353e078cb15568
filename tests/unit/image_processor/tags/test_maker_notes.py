"""Maker notes: exifread's knowledge within bounds."""

import struct

import pytest
from exifread import __version__

from image_processor.budget import TAGS
from image_processor.columns.extract import extract
from image_processor.reading.ranged import BytesSource
from infra.doubles.image_files import (
    ASCII,
    EXIF_IFD,
    MAKE,
    SHORT,
    Raw,
    ascii_value,
    bytes_value,
    exif_segment,
    jpeg,
    tiff,
)
from tests.support.containers import read_exif
from tests.support.cpu_time import in_time

FLOAT = 11
NOTE = 0x927C
SPEEDS = {3: 0.1, 4: -0.2, 5: 0.0, 6: 1.2, 7: -41.4, 8: 1.7, 9: -89.9, 10: 43.8, 11: 0.0}


def dji_note(values: dict[int, float] | None = None) -> bytes:
    """DJI's note: a little-endian directory of floats whose offsets count from the note."""
    entries = [struct.pack("<HHI4s", 1, ASCII, 4, b"DJI\0")]
    entries += [struct.pack("<HHIf", tag, FLOAT, 1, value) for tag, value in (values or SPEEDS).items()]
    return struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)


def note_of(make: str, note: bytes, order: str = "<") -> dict:
    structure = tiff({MAKE: ascii_value(make), EXIF_IFD: {NOTE: bytes_value(note)}}, order=order)
    return read_exif(structure).maker_note


def test_exifread_is_the_version_whose_decoder_is_bounded_here():
    """`maker_notes` replaces one method of exifread and calls another: look at both before another version."""
    assert __version__ == "3.5.1"


@pytest.mark.parametrize("order", ["<", ">"])
def test_speeds_and_angles_of_a_dji_note_are_decoded_in_either_byte_order(order):
    """32-bit floats as the shortest decimals that they are."""
    assert note_of("DJI", dji_note(), order) == {
        "Make": "DJI",
        "SpeedX": 0.1,
        "SpeedY": -0.2,
        "SpeedZ": 0.0,
        "Pitch": 1.2,
        "Yaw": -41.4,
        "Roll": 1.7,
        "CameraPitch": -89.9,
        "CameraYaw": 43.8,
        "CameraRoll": 0.0,
    }


@pytest.mark.parametrize("make", ["DJI", "Canon", "NIKON", "OLYMPUS", "CASIO", "SONY", "FUJIFILM", "Apple", "Unknown"])
@pytest.mark.parametrize(
    "note",
    [
        b"[ae_dbg_info:" + bytes(200),
        bytes(500),
        b"\xff" * 500,
        struct.pack("<H", 300) + bytes(12 * 300),
        struct.pack("<H", 3) + struct.pack("<HHII", 1, 3, 0xFFFFFFFF, 8) * 3 + bytes(4),
        struct.pack("<H", 40) + struct.pack("<HHII", 2, 4, 800, 8) * 40 + bytes(4),
        b"Nikon\0\2\0\0\0II*\0\10\0\0\0" + struct.pack("<H", 40) + struct.pack("<HHII", 2, 1, 800, 0) * 40,
        b"FUJIFILM\14\0\0\0" + struct.pack("<H", 40) + struct.pack("<HHII", 2, 12, 800, 0) * 40,
        b"Apple iOS\0\0\1MM" + struct.pack(">H", 40) + struct.pack(">HHII", 2, 5, 700, 0) * 40,
    ],
)
def test_garbage_in_a_note_ends_quickly_and_costs_nothing_else(make, note):
    """M20: counts that lie, loops and foreign formats; a note is a guess, and a wrong one is dropped."""
    structure = tiff({MAKE: ascii_value(make), EXIF_IFD: {NOTE: bytes_value(note)}, 0x0131: ascii_value("1.0")})
    found = in_time(0.3, lambda: read_exif(structure))
    assert found.document["IFD0"] == {"Make": make, "Software": "1.0"}
    for value in found.maker_note.values():
        assert isinstance(value, str | int | float | list)


def test_a_note_with_a_count_beyond_the_file_is_a_warning_and_not_read():
    """M20: MakerNote of 1,006,641,184 bytes at offset 8 under Canon, which exifread alone never finishes."""
    structure = tiff({MAKE: ascii_value("Canon"), EXIF_IFD: {NOTE: Raw(7, 1_006_641_184, 8), 0x9004: ascii_value("x")}})
    found = read_exif(structure)
    assert found.maker_note == {}
    assert found.document == {"IFD0": {"Make": "Canon"}, "ExifIFD": {"DateTimeDigitized": "x"}}
    assert found.warnings == ["exif: ExifIFD MakerNote: the value is not inside the file"]


def test_a_damaged_entry_costs_itself_only():
    """One offset beyond the file, beside entries that are sound."""
    note = bytearray(dji_note())
    struct.pack_into("<HHII", note, 2 + 12, 3, FLOAT, 9, 0x7FFFFFF0)
    decoded = note_of("DJI", bytes(note))
    assert "SpeedX" not in decoded
    assert decoded["SpeedY"] == -0.2


def test_names_that_exifread_does_not_know_and_long_tables_are_left_out():
    """What has no name helps nobody; the document stays small."""
    note = struct.pack("<H", 1) + struct.pack("<HHIH2x", 0x7777, SHORT, 1, 5) + bytes(8)
    assert note_of("Canon", note) == {}


def test_the_entries_of_notes_are_paid_for():
    """Fifty blocks may have a note each, of texts that no other limit counts."""
    note = (struct.pack("<H", 300) + struct.pack("<HHII", 1, 2, 800, 5) * 300).ljust(4_000, b"\1")
    structure = tiff({MAKE: ascii_value("Canon"), EXIF_IFD: {NOTE: bytes_value(note)}})
    source = BytesSource(jpeg(*[exif_segment(structure)] * 50))
    extract(source)
    assert source.budget.exhausted == [TAGS]
