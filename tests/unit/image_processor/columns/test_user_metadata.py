"""User metadata as S3 and its like write them, and the one document that becomes of them."""

import json
import time

import pytest

from image_processor.columns.user_metadata import MAX_BYTES, MAX_RAW, as_json
from ledger.cells import cell


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("bridge 7", "bridge 7"),
        ("=?UTF-8?B?QnLDvGNrZQ==?=", "Brücke"),
        ("=?UTF-8?Q?Br=C3=BCcke_7?=", "Brücke 7"),
        ("=?utf-8?b?QnLD?= =?utf-8?b?vGNrZQ==?=", "Brücke"),
        ("before =?UTF-8?Q?=C3=BC?= behind", "before ü behind"),
        ("=?ISO-8859-1?Q?Br=FCcke?=", "Brücke"),
        ("=?UTF-8?Q?=FF?=", "=?UTF-8?Q?=FF?="),
        ("=?nowhere?Q?x?=", "=?nowhere?Q?x?="),
        ("=?UTF-8?B?a?=", "=?UTF-8?B?a?="),
        ("a =? b", "a =? b"),
        ("BrÃ¼cke", "Brücke"),
        ("Br\xfccke", "Brücke"),
        ("测量", "测量"),
        ("", ""),
        (" \0x\0 ", "x"),
        ("=?UTF-8?Q?=00=ED=A0=80?=", "=?UTF-8?Q?=00=ED=A0=80?="),
    ],
)
def test_a_value_is_what_the_uploader_said(written: str, meant: str) -> None:
    """Encoded words are decoded (RFC 2047), UTF-8 that was read as Latin-1 is UTF-8; what is neither stays."""
    assert json.loads(as_json({"job": written})) == {"job": meant}


def test_names_are_in_lower_case_and_in_order_and_none_is_nothing() -> None:
    """Two answers that say the same give the same text, whoever lists the names."""
    assert as_json({"Site": "b", "job": "a"}) == as_json({"job": "a", "site": "b"}) == '{"job":"a","site":"b"}'
    assert as_json({}) == ""


@pytest.mark.parametrize(
    ("entries", "cut"),
    [
        ({f"name-{number}": '"' * 90 for number in range(21)}, False),
        ({"long": '"' * 4000}, False),
        ({"long": "=?UTF-8?Q?" + "=01" * 2000 + "?="}, True),
        ({"long": "x" * 10**7}, True),
        ({"blank": " " * MAX_RAW}, True),
        ({f"n{number}": "" for number in range(10**5)}, True),
        ({"words": "=?UTF-8?B?YQ==?= " * (MAX_RAW // 18)}, False),
        ({"words": "=?a?q?" * (MAX_RAW // 7)}, True),
        ({"words": "\n=?" * (MAX_RAW // 4)}, True),
    ],
)
def test_whatever_a_server_says_the_document_is_small_and_made_at_once(entries: dict[str, str], cut: bool) -> None:
    """S3 takes 2 KB, and all that it takes is kept; others may lie, and a row has no room for more."""
    before = time.process_time()
    text = as_json(entries)
    assert time.process_time() - before < 0.5
    assert len(text.encode()) <= MAX_BYTES
    assert ("cut" in json.loads(text)) is cut
    assert cell({"S": text}, "json", "user_metadata") != ""
