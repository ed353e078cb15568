"""Text as photos write it: pure functions from bytes to Unicode.

Exif calls its texts ASCII and says nothing about other characters. The rule: valid UTF-8 is read as such, anything
else as Windows-1252 (which contains Latin-1), and then the row says so, because it is a guess.
"""

import codecs
import re
from typing import Final

BLANKS: Final = "".join(char for char in map(chr, range(0x3001)) if char.isspace()) + "\0\ufeff"
"""What means nothing at the ends of a text: white space of any script, NUL, the byte-order mark."""

_EAST_ASIAN = ("gb2312", "shift_jis", "big5", "euc_kr")
_WINDOWS_1252 = "".join(bytes((byte,)).decode("cp1252", "ignore") or chr(byte) for byte in range(256))
_CONTROL = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f]")
_PAIRS = re.compile(rb"[\x21-\x7e]*+")
_SAMPLE = 2000  # bytes by which an encoding is guessed


def decode(data: bytes) -> tuple[str, bool]:
    """Return a text up to its first NUL, without blanks around it, and whether its encoding was guessed."""
    data = data.partition(b"\0")[0]
    if data.isascii():
        return data.decode("ascii").strip(), False  # of a text without NUL, these are all blanks
    try:
        return data.decode("utf-8").strip(BLANKS), False
    except UnicodeDecodeError:
        return windows_1252(data).strip(BLANKS), True


def windows_1252(data: bytes) -> str:
    """Return bytes as Windows-1252; its five undefined bytes become the Latin-1 controls, so that none is lost."""
    return codecs.charmap_decode(data, "strict", _WINDOWS_1252)[0]


def decode_utf16(data: bytes, order: str = "<") -> str:
    """Return UTF-16 text up to its first NUL character; an odd last byte is dropped.

    A byte-order mark decides; without one `order` does, unless the zero bytes of Latin letters stand on the wrong side.
    Text that is plainly UTF-8, written by mistake, is read as such.

    Args:
        data: bytes of the text.
        order: `<` for little endian, `>` for big endian.
    """
    if _is_utf8_by_mistake(data):
        return decode(data)[0]
    data = data[: len(data) & ~1]
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        order, data = ("<" if data[:1] == b"\xff" else ">"), data[2:]
    else:
        used = data.rstrip(b"\0")
        high_first, high_last = used[0::2].count(0), used[1::2].count(0)
        if high_first != high_last:
            order = ">" if high_first > high_last else "<"
    text = data.decode("utf-16-le" if order == "<" else "utf-16-be", "replace")
    return text.partition("\0")[0].strip(BLANKS)


def decode_comment(data: bytes, order: str) -> tuple[str, bool]:
    """Return a text that begins with the eight bytes of a character code (Exif 2.32, UserComment, table 9).

    Args:
        data: the whole value, code included.
        order: byte order of the Exif block, `<` or `>`.

    Returns:
        The text and whether its encoding was guessed.
    """
    code, body = data[:8].upper(), data[8:]
    if code.startswith(b"UNICODE"):
        return decode_utf16(body, order), False
    if code.startswith(b"JIS"):
        return _decode_jis(body)
    if not code.startswith(b"ASCII") and code.strip(b" \0"):
        body = data  # no code: written by a program that does not know of it
    text = body.lstrip(b"\0")
    body = body[(len(body) - len(text)) & ~1 :]
    return (decode_utf16(body), False) if _is_utf16(body) else decode(text)


def clean(text: str) -> str:
    """Return a text without NUL, lone surrogates and blanks around it: what every later format can hold."""
    if text.isascii():
        return text.replace("\0", "").strip()
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "").strip(BLANKS)


def cut(text: str, size: int) -> str:
    """Return the start of a text that has at most `size` bytes in UTF-8."""
    return text.encode()[:size].decode(errors="ignore")


def _decode_jis(body: bytes) -> tuple[str, bool]:
    """Return JIS X 0208 text: with ISO-2022 escapes, or (as Exif has it) bare two-byte codes, or another encoding."""
    body = body.rstrip(b"\0")
    if b"\x1b" in body:
        return body.decode("iso2022_jp", "replace").strip(BLANKS), False
    if max(body, default=0) < 0x80:
        pairs = body[: len(body) & ~1]
        if _PAIRS.fullmatch(pairs):
            try:
                return (b"\x1b$B" + pairs + b"\x1b(B").decode("iso2022_jp").strip(BLANKS), False
            except UnicodeDecodeError:
                pass
        return decode(body)
    for encoding in ("utf-8", "euc_jp", "shift_jis"):
        try:
            return body.decode(encoding).strip(BLANKS), encoding != "utf-8"
        except UnicodeDecodeError:
            continue
    return decode(body)


def _is_utf16(data: bytes) -> bool:
    """Tell UTF-16 that nobody calls so: by its byte-order mark, or by the zero byte in the first letter and in most."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return True
    sample = data[:_SAMPLE]
    if 0 not in sample[:2]:
        return False  # two letters, whatever stands behind their end
    pairs = [sample[start : start + 2] for start in range(0, len(sample) - 1, 2)]
    if b"\0\0" in pairs:
        pairs = pairs[: pairs.index(b"\0\0")]
    zeros_first, zeros_last = (sum(pair[place] == 0 for pair in pairs) for place in (0, 1))
    return 0 in (zeros_first, zeros_last) and 2 * (zeros_first + zeros_last) > len(pairs)


def _is_utf8_by_mistake(data: bytes) -> bool:
    """Tell UTF-8 from UTF-16: no NUL inside, well-formed, and nonsense as UTF-16.

    Windows ends UTF-16 with two NUL bytes, and Latin UTF-16 has one in each pair. What is left are Chinese, Japanese
    and Korean texts without an end: those are made of characters that their countries' older encodings have.
    """
    used = data.rstrip(b"\0")
    if len(used) < 4 or 0 in used or len(data) - len(used) > 1:
        return False
    try:
        text = used.decode("utf-8")
    except UnicodeDecodeError:
        return False
    if _CONTROL.search(text):
        return False
    sample = used[:_SAMPLE]
    pairs = sample[: len(sample) & ~1].decode("utf-16-le", "replace")
    return not any(_can_encode(pairs, encoding) for encoding in _EAST_ASIAN)


def _can_encode(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
