"""Text: what the bytes say, or a guess that is owned up to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_processor.tags.text import clean, decode, decode_comment, decode_utf16


@pytest.mark.parametrize(
    ("data", "text", "guessed"),
    [
        ("Grüne Brücke".encode() + b"\0", "Grüne Brücke", False),
        ("Grüne Brücke".encode("latin-1"), "Grüne Brücke", True),
        ("測量写真".encode("shift_jis"), "‘ª—ÊŽÊ\x90^", True),  # noqa: RUF001
        ("测量".encode("gbk"), "²âÁ¿", True),
        (b"\xff", "ÿ", True),
        (b"bay 4\0hidden\0", "bay 4", False),
        (b"  OLYMPUS DIGITAL CAMERA         \0", "OLYMPUS DIGITAL CAMERA", False),
        (b"\0\0\0", "", False),
        (b"", "", False),
    ],
)
def test_utf8_is_read_as_such_and_anything_else_as_windows_1252(data, text, guessed):
    """M11: text ends before the first NUL, and a guess is called one."""
    assert decode(data) == (text, guessed)


M9 = "Mängel – 測量 😀"  # noqa: RUF001


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (M9.encode("utf-16-le") + b"\0\0", M9),
        (M9.encode("utf-16-le"), M9),
        (M9.encode("utf-16-le") + b"\0\0\x41", M9),
        (M9.encode("utf-16-le") + b"\x41", M9),
        (M9.encode() + b"\0", M9),
        (M9.encode(), M9),
        (b"hello world\0", "hello world"),
        (("a" * 5000).encode("utf-16-le"), "a" * 5000),
        ("測量".encode("utf-16-le"), "測量"),
        ("工地".encode("utf-16-le") + b"\0\0", "工地"),
        ("こんにちは".encode("utf-16-le"), "こんにちは"),
        ("現場写真".encode("utf-16-le"), "現場写真"),
        ("N".encode("utf-16-le"), "N"),
        (b"\xfe\xff" + M9.encode("utf-16-be"), M9),
        (b"\xff\xfe" + M9.encode("utf-16-le"), M9),
        (b"\x3d\xd8\x41\x00", "\ufffdA"),
        (b"a\0b\0\0\0c\0", "ab"),
        (b"", ""),
    ],
)
def test_windows_tags_are_utf16_of_any_length_and_utf8_by_mistake(data, text):
    """M9: no NUL, an emoji is one character, an odd last byte is dropped, nothing is shortened."""
    assert decode_utf16(data) == text


@pytest.mark.parametrize(
    ("data", "order", "text"),
    [
        (b"ASCII\0\0\0site 7\0", "<", "site 7"),
        (b"UNICODE\0" + M9.encode("utf-16-le"), "<", M9),
        (b"UNICODE\0" + M9.encode("utf-16-be"), ">", M9),
        (b"UNICODE\0" + "Site".encode("utf-16-le"), ">", "Site"),
        (b"JIS\0\0\0\0\0" + "現場写真".encode("iso2022_jp")[3:-3], "<", "現場写真"),
        (b"JIS\0\0\0\0\0" + "現場写真".encode("iso2022_jp"), "<", "現場写真"),
        (b"JIS\0\0\0\0\0" + "現場".encode("euc_jp"), "<", "現場"),
        (bytes(8) + "äöüß".encode(), "<", "äöüß"),
        (b"        plain", "<", "plain"),
        (b"written without a code", "<", "written without a code"),
        (b"ASCII\0\0\0" + b" " * 256, "<", ""),
        (bytes(264), "<", ""),
        (b"ASCI", "<", "ASCI"),
        ("GoodFon.ru".encode("utf-16-le") + b"\0\0", "<", "GoodFon.ru"),
        ("GoodFon.ru".encode("utf-16-be"), "<", "GoodFon.ru"),
        (bytes(8) + "Bridge 4".encode("utf-16-le") + b"\0\0", ">", "Bridge 4"),
        (bytes(8) + "Bridge 4".encode("utf-16-be"), "<", "Bridge 4"),
        (bytes(24) + "Bridge 4".encode("utf-16-be"), "<", "Bridge 4"),
        (b"ASCII\0\0\0" + "DJI 测量 4".encode("utf-16-le"), "<", "DJI 测量 4"),
        (b"\xff\xfe" + "测量现场".encode("utf-16-le"), ">", "测量现场"),
        (bytes(8) + b"\xfe\xff" + "测量现场".encode("utf-16-be"), "<", "测量现场"),
        (bytes(11) + b"site 7\0", "<", "site 7"),
        (b"site 7\0" + b"\x01\0\x02\0" * 9, "<", "site 7"),
        (b"t\0\0\0", "<", "t"),
        (b"t\0junk behind it", "<", "t"),
        (b"", "<", ""),
    ],
)
def test_a_comment_is_read_by_its_character_code(data, order, text):
    """Exif 2.32, UserComment: eight bytes say how the rest is encoded; not every program knows."""
    assert decode_comment(data, order)[0] == text


@given(st.binary(max_size=60))
def test_any_bytes_give_text_that_utf8_can_hold(data):
    """Nothing that was read can break the table, the CSV or JSON."""
    for text in (decode(data)[0], decode_utf16(data), decode_comment(data, ">")[0]):
        assert "\0" not in clean(text)
        assert clean(text).encode().decode() == clean(text)


def test_cleaning_replaces_lone_surrogates():
    """JSON can write one as an escape; UTF-8 cannot."""
    assert clean("a\ud800b\0 ") == "a?b"


def test_blanks_of_any_script_are_cut_off():
    """No-break spaces and line separators look like nothing in a cell."""
    assert clean("\ufeff\u00a0 a\u2028b\u3000\x1c\0") == "a\u2028b"
