"""In which Unicode encoding an XML document is (XMP specification part 1, 7.3.2), and the document in UTF-8.

Bytes are enough for the parser: as one text they may take four times their memory.
"""

import codecs
import re

from image_processor.errors import NotWellFormed, XmlRefused

_STEP = 64 * 1024  # bytes that are decoded at a time
_CLOSING = re.compile(r"</(?:[\w.-]++:)?+(?:xmpmeta|xapmeta|RDF)\s*+>|<\?xpacket\s++end")

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def utf8(data: bytes, salvage: bool = False) -> bytes:
    """Return the document in UTF-8, from its first `<` on.

    Bytes that are not text are tolerated behind the document only, or anywhere if it is to be salvaged.

    Raises:
        XmlRefused: there is no `<`.
        NotWellFormed: the document is not in UTF-16 or UTF-32 though it seems to be.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None) or _guess(data)
    if encoding != "utf-8":
        data = _recoded(data, encoding, salvage)
    start = data.find(b"<")
    if start < 0:
        raise XmlRefused("empty")
    return data[start:]


def _recoded(data: bytes, encoding: str, salvage: bool) -> bytes:
    if salvage:
        return data.decode(encoding, "replace").encode()
    try:
        return data.decode(encoding).encode()
    except UnicodeDecodeError as error:
        text = data[: error.start].decode(encoding)
        if not _CLOSING.search(text):
            raise NotWellFormed(f"invalid {encoding[:6].upper()}") from error
        return text.encode()


def _guess(data: bytes) -> str:
    """Return the encoding of a document without a byte-order mark: where the first `<` stands, and what follows it."""
    start = data.find(b"<")
    if start < 0:
        return "utf-8"
    if data[start + 1 : start + 4] == b"\0\0\0":
        return "utf-32-be" if start % 4 == 3 else "utf-32-le"
    if data[start + 1 : start + 2] == b"\0":
        return "utf-16-be" if start % 2 else "utf-16-le"
    return "utf-8"


def is_utf8(data: bytes) -> bool:
    """Tell whether bytes are UTF-8, step by step."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), _STEP):
            decoder.decode(data[start : start + _STEP], final=start + _STEP >= len(data))
    except UnicodeDecodeError:
        return False
    return True
