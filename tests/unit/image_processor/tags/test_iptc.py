"""IPTC-IIM: the datasets that feed columns."""

import struct

import pytest

from image_processor.budget import Budget
from image_processor.tags import iptc


def dataset(number: int, value: bytes, record: int = 2) -> bytes:
    return struct.pack(">BBBH", 0x1C, record, number, len(value)) + value


def test_datasets_are_read_by_name_and_repeated_ones_in_order():
    """2:25 Keywords repeats; 1:90 and unknown datasets are passed over."""
    record = (
        dataset(90, b"\x1b%G", record=1)
        + dataset(5, "Brücke".encode())
        + dataset(25, b"bridge")
        + dataset(200, b"?")
        + dataset(25, b"deck")
        + dataset(5, b"another")
    )
    found = iptc.read([record], Budget())
    assert found.values == {"ObjectName": ["Brücke", "another"], "Keywords": ["bridge", "deck"]}
    assert found.values["ObjectName"][0] == "Brücke"
    assert "By-line" not in found.values
    assert found.warnings == []


def test_text_without_utf8_is_windows_1252_and_a_warning():
    """Most programs that declared nothing wrote it."""
    found = iptc.read([dataset(120, "Straße".encode("cp1252")) * 2], Budget())
    assert found.values == {"Caption-Abstract": ["Straße", "Straße"]}
    assert found.warnings == ["iptc: Caption-Abstract: not UTF-8, read as Windows-1252"]


def test_the_first_record_that_has_a_dataset_counts():
    """Two records of one image."""
    found = iptc.read([dataset(5, b"a"), dataset(5, b"b") + dataset(80, b"c")], Budget())
    assert found.values == {"ObjectName": ["a"], "By-line": ["c"]}


@pytest.mark.parametrize("cut", range(10))
def test_a_record_that_ends_early_gives_what_it_had(cut):
    """Lengths that lie lead nowhere."""
    record = dataset(5, b"title") + dataset(25, b"word")
    assert iptc.read([record[: len(record) - cut]], Budget()).values["ObjectName"][0] == "title"


def test_extended_lengths_are_followed_and_bounded():
    """A length with its top bit set is the length of the length."""
    extended = b"\x1c\x02\x78" + struct.pack(">H", 0x8004) + struct.pack(">I", 5) + b"hello"
    assert iptc.read([extended + dataset(5, b"t")], Budget()).values == {
        "Caption-Abstract": ["hello"],
        "ObjectName": ["t"],
    }
    assert iptc.read([b"\x1c\x02\x78\xff\xff" + b"\xff" * 20], Budget()).values == {}
