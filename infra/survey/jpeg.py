"""Encode small JPEG pictures (ITU-T T.81, baseline): one colour for each block of eight by eight pixels.

A block of one colour has a DC coefficient and no others, so two tiny Huffman tables and a few lines do.
"""

import math
import random
import struct

_BLOCK = 8
_QUANTUM = 8  # DC is eight times the mean, so one step is one level
_CATEGORIES = 12  # of DC differences: 0 to 11 bits
_DC_CODE_BITS = 4  # one length for all of them: the code is the category
_END_OF_BLOCK = "0"  # the only code of the AC table


def segment(marker: int, content: bytes) -> bytes:
    """Write a marker segment with its length."""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def mosaic(width: int, height: int, chance: random.Random) -> bytes:
    """Draw fields as a drone sees them; all of a JPEG file but the SOI marker that begins it.

    Args:
        width: in pixels, a multiple of 8.
        height: in pixels, a multiple of 8.
        chance: decides on colours and borders.
    """
    columns, rows = width // _BLOCK, height // _BLOCK
    slope, spacing = chance.uniform(-0.6, 0.6), chance.uniform(6, 14)
    crops = [(chance.randint(70, 170), chance.randint(90, 125), chance.randint(105, 140)) for _ in range(9)]
    blocks = []
    for row in range(rows):
        for column in range(columns):
            field = math.floor((column + slope * row) / spacing) * 3 + math.floor((row - slope * column) / spacing)
            luma, blue, red = crops[field % len(crops)]
            blocks.append((luma + chance.randint(-6, 6), blue, red))
    return _tables(width, height) + _scan(blocks) + b"\xff\xd9"


def _tables(width: int, height: int) -> bytes:
    components = b"".join(bytes((number, 0x11, 0)) for number in (1, 2, 3))
    dc_counts = bytes(_CATEGORIES if bits == _DC_CODE_BITS else 0 for bits in range(1, 17))
    ac_counts = bytes(1 if bits == len(_END_OF_BLOCK) else 0 for bits in range(1, 17))
    return b"".join(
        (
            segment(0xDB, bytes((0,)) + bytes((_QUANTUM,)) * 64),
            segment(0xC0, struct.pack(">BHHB", 8, height, width, 3) + components),
            segment(0xC4, bytes((0x00,)) + dc_counts + bytes(range(_CATEGORIES))),
            segment(0xC4, bytes((0x10,)) + ac_counts + bytes((0,))),
        )
    )


def _scan(blocks: list[tuple[int, int, int]]) -> bytes:
    """Code the blocks' colours (Y, Cb, Cr), each as the difference from the block before."""
    header = segment(0xDA, bytes((3, 1, 0, 2, 0, 3, 0, 0, 63, 0)))
    bits: list[str] = []
    last = [128, 128, 128]
    for block in blocks:
        for component, level in enumerate(block):
            difference = level - last[component]
            last[component] = level
            category = abs(difference).bit_length()
            bits.append(f"{category:0{_DC_CODE_BITS}b}")
            if category:
                # A negative difference is written as itself minus one, in as many bits (T.81, F.1.2.1).
                coded = difference if difference > 0 else difference + (1 << category) - 1
                bits.append(f"{coded:0{category}b}")
            bits.append(_END_OF_BLOCK)
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    coded_bytes = int(text, 2).to_bytes(len(text) // 8, "big")
    return header + coded_bytes.replace(b"\xff", b"\xff\x00")
