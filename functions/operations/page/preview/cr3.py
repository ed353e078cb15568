"""Canon's raw, CR3: boxes, two of which hold a JPEG ("canon_cr3" by L. Clévy, "THMB" and "PRVW").

`THMB`, 160 pixels wide, stands in Canon's box of the film header; `PRVW`, 1620 wide, in a box of its own. With HDR the
same boxes hold HEVC.
"""

import uuid
from collections.abc import Iterator

from operations.page.preview.boxes import boxes
from operations.page.preview.claims import Claim, Read

_END = 1 << 63
_CANON = uuid.UUID("85c0b687-820f-11e0-8111-f4ce462b6a48").bytes
_PREVIEW = uuid.UUID("eaf42b5e-1c98-4b88-b9fb-b7dc406e4d16").bytes
_BEFORE_BOXES = {_CANON: 16, _PREVIEW: 24}  # bytes of the user type, and of eight more that nobody explains
_LENGTH_AT = {b"THMB": 8, b"PRVW": 12}  # where in the content the length of the JPEG stands
_JPEG_AT = 16


def claims(read: Read) -> Iterator[Claim]:
    """List both JPEGs."""
    for box in boxes(read, 0, _END):
        if box.kind == b"moov":
            for inner in boxes(read, box.start, box.end):
                if inner.kind == b"uuid":
                    yield from _pictures(read, inner.start, inner.end)
        elif box.kind == b"uuid":
            yield from _pictures(read, box.start, box.end)


def _pictures(read: Read, start: int, end: int) -> Iterator[Claim]:
    skipped = _BEFORE_BOXES.get(read(start, 16))
    if skipped is None:
        return
    for box in boxes(read, start + skipped, end):
        if (at := _LENGTH_AT.get(box.kind)) is not None:
            length = int.from_bytes(read(box.start + at, 4), "big")
            yield Claim(box.start + _JPEG_AT, length)
