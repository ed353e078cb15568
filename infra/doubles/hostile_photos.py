"""Photos made to cost as much as they can: each a recipe that grows with a number, from a few bytes up to the limits.

What they have in common is that they are cheap to send. `RECIPES` has them all, each with the number from which on it
is as bad as it can be made; a benchmark and the tests read them, whole and mutated.
"""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import brotli

from image_processor.formats.png import MAX_INFLATED
from infra.doubles.image_files import (
    ASCII,
    EXIF_IFD,
    GPS_IFD,
    IPTC,
    LONG,
    MAKE,
    SHORT,
    SUB_IFDS,
    UNDEFINED,
    XMP,
    Item,
    Raw,
    ascii_value,
    box,
    chunk,
    exif_segment,
    extended_segment,
    full_box,
    heif,
    iptc_record,
    itxt,
    jpeg,
    packet,
    png,
    psd,
    raw_profile,
    resource,
    riff_chunk,
    segment,
    tiff,
    vp8x,
    webp,
    xmp_segment,
)
from infra.doubles.raw_files import brob, cr3, filter_array, jxl, marked, mini, mrw, preview, raf, rw2, x3f

RATIONAL, FLOAT, SRATIONAL = 5, 11, 10
F_NUMBER, DATE_TIME_ORIGINAL, USER_COMMENT, MAKER_NOTE, XP_TITLE, IMAGE_DESCRIPTION = (
    0x829D,
    0x9003,
    0x9286,
    0x927C,
    0x9C9B,
    270,
)
XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
KEYWORD = b"XML:com.adobe.xmp"


@dataclass(frozen=True)
class Recipe:
    """A photo of any size.

    Attributes:
        name: what is bad about it.
        make: gives the file, of a size that grows with the number.
        most: the number at which the file is at a limit of size or count, or costs no more if it grows.
    """

    name: str
    make: Callable[[int], bytes]
    most: int

    @property
    def worst(self) -> bytes:
        """The file at its worst."""
        return self.make(self.most)


def _flawed(body: str, attributes: str = "") -> bytes:
    """A PNG whose packet is not well-formed from the start: all of it is for the reader that salvages."""
    return _in_png(packet(f'dc:format="a" dc:format="b" {attributes}', body))


def _in_png(*packets: bytes) -> bytes:
    """Make a PNG of packets, compressed but for those that would be refused for it."""
    return png(*[itxt(KEYWORD, data, compress=len(data) <= MAX_INFLATED) for data in packets])


_EMPTY_BLOCK = int(
    "1fbbd9eac8f351624012f077b3d591e6a2c48b9fffe49249249248201fdec",
    16,
)
"""A block of a deflate stream, 247 bits: codes of 15 bits for letters and distances (RFC 1951, 3.2.7), and its end."""


def _empty_blocks(length: int) -> bytes:
    """A zlib stream of about this length from which nothing comes out."""
    eight = sum(_EMPTY_BLOCK << 247 * at for at in range(8)).to_bytes(247, "little")
    return b"\x78\x9c" + eight * (length // 247)


def _xmp(value: str) -> bytes:
    return _in_png(packet(f'drone-dji:RelativeAltitude="{value}"'))


def _exif(tag: int, data: bytes) -> bytes:
    return jpeg(exif_segment(tiff({MAKE: ascii_value("DJI"), EXIF_IFD: {tag: (ASCII, len(data), data)}})))


def _shared(kind: int, count: int, content: bytes, number: int, order: str = "<") -> bytes:
    """A TIFF of `number` tags whose values are the same bytes."""
    tags = {1000 + at: Raw(kind, count, 8 + 2 + 12 * number + 4) for at in range(number)}
    return tiff(tags, order=order) + content


def _namespaced(uri: str, names: int) -> bytes:
    body = "".join(f"<q:a{number}/>" for number in range(names))
    return _in_png(packet(f'xmlns:q="{uri}"', body))


def _deep_ifds(number: int) -> bytes:
    """Directories that lie on top of each other: 32 below the first, each of as many entries as there is room for."""
    size = 12 * number
    below = b"".join(struct.pack("<I", 400 + 2 * at) for at in range(32))
    head = b"II" + struct.pack("<HIH", 42, 8, 1) + struct.pack("<HHII", SUB_IFDS, LONG, 32, 30) + bytes(4)
    filler = struct.pack("<H", number) * (size // 2 + 64)
    return head.ljust(30, b"\0") + below.ljust(370, b"\0") + filler


def _ipma(number: int) -> bytes:
    """A HEIF of a meta box full of associations."""
    entry = struct.pack(">HB", 1, 255) + b"\x81" * 255
    ipma = full_box(b"ipma", struct.pack(">I", number) + entry * number)
    meta = full_box(b"meta", full_box(b"pitm", struct.pack(">H", 1)) + box(b"iprp", ipma))
    return box(b"ftyp", b"heic" + bytes(4) + b"mif1heic") + meta


def _boxes(number: int) -> bytes:
    ipco = box(b"ipco", box(b"free", b"") * number)
    meta = full_box(b"meta", box(b"iprp", ipco) * 4)
    return box(b"ftyp", b"heic" + bytes(4) + b"mif1heic") + meta


def _same_extents(number: int) -> bytes:
    """Metadata items whose pieces are all the same bytes of the file."""
    infos = b"".join(
        full_box(b"infe", struct.pack(">HH", item, 0) + b"mime\0application/rdf+xml\0", version=2)
        for item in range(2, 42)
    )
    iinf = full_box(b"iinf", struct.pack(">H", 40) + infos)
    extents = struct.pack(">II", 0, 1_000_000) * number
    entries = b"".join(struct.pack(">HHHH", item, 0, 0, number) + extents for item in range(2, 42))
    iloc = full_box(b"iloc", struct.pack(">HH", 0x4400, 40) + entries, version=1)
    return box(b"ftyp", b"heic" + bytes(4) + b"mif1heic") + full_box(b"meta", iinf + iloc) + b"<a>" + b"x" * 1_000_000


def _gif(number: int) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", 8, 6, 0, 0, 0) + b"\x21\xfe" + b"\1a" * number + b"\0;"


def _idats(number: int) -> bytes:
    """A PNG of small image data, whose end is full of what might be the start of more."""
    return png(chunk(b"IDAT", b"x"), chunk(b"IDAT", b"\0\0\0\4IDAT" * number)).replace(b"IEND", b"IDAT")


def _scattered(number: int) -> bytes:
    """A TIFF whose values lie far from each other, each a GET of its own."""
    tags = {1000 + at: Raw(ASCII, 20, 1_000_000 + at * 200_000) for at in range(number)}
    return tiff(tags) + b"x" * (1_000_000 + number * 200_000)


def _far_note(number: int) -> bytes:
    """A TIFF larger than the first GET, whose maker note is read by a library through a file."""
    count = 200
    note = struct.pack("<H", count) + b"".join(struct.pack("<HHII", 1 + at, ASCII, 800, 200_000) for at in range(count))
    pages = {MAKE: ascii_value("Canon"), EXIF_IFD: {MAKER_NOTE: (UNDEFINED, len(note) + 4, note + bytes(4))}}
    return tiff(*[pages] * 8) + b"x" * (200_000 + number)


def _psd(number: int) -> bytes:
    return psd(resource(0x0404, iptc_record()) * number, resource(0x0424, packet()) * number)


def _jp2(number: int) -> bytes:
    header = box(b"jp2h", full_box(b"free", b"") * number + box(b"ihdr", bytes(8)))
    packets = box(b"uuid", bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + packet()) * number
    return bytes.fromhex("0000000c6a5020200d0a870a") + header + packets


def _jxl(number: int) -> bytes:
    return bytes.fromhex("0000000c4a584c200d0a870a") + (box(b"xml ", packet()) + box(b"jxlp", bytes(8))) * number


def _every_gps(number: int) -> bytes:
    """Positions and times in all their spellings, each as long as a text can be."""
    digits = b"1" * number
    gps = {
        1: ascii_value("N"),
        2: (RATIONAL, 3, struct.pack("<6I", *[0xFFFFFFFF] * 6)),
        3: (ASCII, number, digits),
        4: (RATIONAL, 3, struct.pack("<6I", 1, 0xFFFFFFFF, 1, 0xFFFFFFFE, 1, 0xFFFFFFFD)),
        5: (SHORT, 1, b"\0\0"),
        6: (ASCII, number, digits),
        7: (RATIONAL, 3, struct.pack("<6I", 1, 1, 2, 1, 3, 1)),
        29: ascii_value("2026:01:01"),
    }
    xmp = packet(
        f'xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="1,2,{number}N" exif:GPSLongitude="1,2.5E"'
        f' exif:GPSTimeStamp="2026-01-01T10:10:10.{"1" * number}+01:00"'
    )
    speeds = b"".join(struct.pack("<HHIf", tag, FLOAT, 1, 0.1) for tag in range(3, 12))
    note = struct.pack("<HHHI4s", 10, 1, ASCII, 4, b"DJI\0") + speeds + bytes(4)
    dji = {MAKE: ascii_value("DJI"), EXIF_IFD: {MAKER_NOTE: (UNDEFINED, len(note), note)}, GPS_IFD: gps}
    return jpeg(exif_segment(tiff(dji)), xmp_segment(xmp))


def _structures(number: int) -> bytes:
    """XMP in all of RDF's forms."""
    literal = "<dc:a rdf:parseType='Literal'>" + "<b>x</b>" * number + "</dc:a>"
    languages = "".join(f"<rdf:li xml:lang='l{at}'>x</rdf:li>" for at in range(number))
    title = f"<dc:title><rdf:Alt>{languages}</rdf:Alt></dc:title>"
    authors = "<dc:creator><rdf:Seq>" + "<rdf:li rdf:parseType='Resource'/>" * number + "</rdf:Seq></dc:creator>"
    rights = "<dc:rights xml:lang='a'><rdf:Bag>" + "<rdf:li/>" * number + "</rdf:Bag></dc:rights>"
    words = "<dc:description><rdf:Seq>" + "<rdf:li/>" * number + "</rdf:Seq></dc:description>"
    fields = "".join(f"<dc:f{at}>x</dc:f{at}>" for at in range(number))
    return _in_png(
        packet(body=literal + title + authors + rights + words + f"<dc:b rdf:parseType='Resource'>{fields}</dc:b>")
    )


def _angles(number: int) -> bytes:
    """A structure of which fields feed columns, among as many as fit."""
    fields = "".join(f"<s:f{at}>1</s:f{at}>" for at in range(number)) + "<s:Yaw>90</s:Yaw>"
    body = f"<s:CameraOrientationNED rdf:parseType='Resource'>{fields}</s:CameraOrientationNED>"
    return _in_png(packet('xmlns:s="https://www.skydio.com/drone-skydio/1.0/"', body=body))


def _maker_note(number: int) -> bytes:
    """Exif blocks whose Canon notes are full of long lists, under names that are known and others."""
    count = 60
    tags = sorted({1, 2, 4, 5, 0x26, 0x93, *(0x2000 + at for at in range(count - 6))})
    entries = b"".join(struct.pack("<HHII", tag, SHORT, 100 if tag > 9 else 8, 300) for tag in tags)
    note = struct.pack("<H", count) + entries + bytes(4)
    block = tiff({MAKE: ascii_value("Canon"), EXIF_IFD: {MAKER_NOTE: (UNDEFINED, len(note), note)}}) + bytes(2000)
    return jpeg(*[exif_segment(block)] * number)


def _extensions(number: int) -> bytes:
    parts = [extended_segment(f"{at:032d}".encode(), 4, 0, b"<a/>") for at in range(number)]
    return jpeg(*[xmp_segment(packet() + b" " * 60_000)] * 40, *parts)


def _overlapping_parts(number: int) -> bytes:
    guid = b"A" * 32
    parts = [extended_segment(guid, 65_000 + at, at, b"x" * 60_000) for at in range(number)]
    return jpeg(xmp_segment(packet(f'xmpNote:HasExtendedXMP="{guid.decode()}"')), *parts)


def _attributes(number: int) -> bytes:
    return _in_png(packet(" ".join(f"dc:a{at}=''" for at in range(number))))


def _bag(number: int, item: str = "<rdf:li>x</rdf:li>") -> bytes:
    return _in_png(packet(body="<dc:subject><rdf:Bag>" + item * number + "</rdf:Bag></dc:subject>"))


def _everything(number: int) -> bytes:
    """A share of every kind in one file: bounds hold for the sum."""
    text = bytes([0x81]) * 60_000
    tags = {1000 + at: Raw(ASCII, 60_000, 8 + 2 + 12 * number + 4) for at in range(number)}
    block = tiff(tags) + text[:40_000]
    return jpeg(
        *[exif_segment(block)] * 20,
        *[xmp_segment(packet(body="<dc:a>" + "<dc:b>x</dc:b>" * 4_000 + "</dc:a>"))] * 20,
        *[segment(0xED, b"Photoshop 3.0\0" + resource(0x0404, b"\x1c\x02\x19\x00\x01a" * 9_000))] * 20,
        *[segment(0xFE, text)] * 20,
    )


def _goes_on(number: int) -> bytes:
    """An Exif block of 10 MB, then segments that add a byte each."""
    more = [segment(0xE1, b"Exif\0\0" + b"\1" * 65_000)] * 160
    return jpeg(exif_segment(tiff({})), *more, *[segment(0xE1, b"Exif\0\0\1")] * number)


def _texts_in_note(number: int) -> bytes:
    """A TIFF whose Canon note has entries of 800 characters each, of which the first is NUL."""
    entries = b"".join(struct.pack("<HHII", at, 2, 800, 5) for at in range(1, number + 1))
    note = (struct.pack("<H", number) + entries).ljust(4_000, b"\1")
    return tiff({MAKE: ascii_value("Canon"), 0x0110: ascii_value("EOS"), EXIF_IFD: {0x927C: (UNDEFINED, 4_000, note)}})


def _amplified_warnings(number: int) -> bytes:
    """Two packets that contradict each other in long names, and a text that fills the rest of the room."""
    names = [chr(0x4E00 + at) + "か" * 99 for at in range(52)]
    first = "".join(f"<dc:{name}>1</dc:{name}>" for name in names)
    second = "".join(f"<dc:{name}>2</dc:{name}>" for name in names)
    return _in_png(packet(body=f"{first}<dc:description>{'x' * number}</dc:description>"), packet(body=second))


def _limits_at_once(number: int) -> bytes:
    """A PNG that is just within every limit that takes time: inflated, tags, numbers, steps, text, blocks, nodes."""
    place = 3_000 * 14
    iptc = b"\x1c\x02\x19\0\x01\x81" * 48_000
    exif = {3_000 + at: Raw(10, 64, place) for at in range(310)}
    tags = {2_000 + at: Raw(ASCII, 1_400, place) for at in range(1_400)}
    block = tiff(tags | {IPTC: (UNDEFINED, len(iptc), iptc), EXIF_IFD: exif}).ljust(60_000, b"0") + b"\x81" * 100_000
    body = "".join(f"<dc:a{at} dc:b='{'&#65;' * 100 * number}'/>{' ' * 70_000}" for at in range(14))
    body += "<dc:subject><rdf:Bag>" + "<rdf:li>k</rdf:li>" * 14_000 + "</rdf:Bag></dc:subject><zz:q/>"
    return png(
        chunk(b"zTXt", b"Title\0\0" + _empty_blocks(4_100 * number)),
        chunk(b"eXIf", block),
        *[chunk(b"eXIf", _texts_in_note(300))] * 45,
        itxt(KEYWORD, packet(body=body)),
    )


def _cr3(number: int) -> bytes:
    """A CR3 of many structures, each a maker note of long texts in Canon's box, and many packets."""
    structures = [(b"CMT1", tiff({MAKE: ascii_value("Canon")})), *[(b"CMT3", _texts_in_note(300))] * number]
    return cr3(*structures, *[(b"CMT4", _deep_ifds(200))] * number) + box(b"uuid", XMP_UUID + packet()) * 20_000


def _rw2(number: int) -> bytes:
    """An RW2 whose tags have one value, and whose JPEG is full of segments."""
    own = {at: Raw(ASCII, 60_000, 8) for at in range(1, 0x2E)}
    more = [xmp_segment(packet())] * number + [segment(0xED, b"Photoshop 3.0\0" + resource(0x0404, iptc_record()))]
    return rw2(own, preview(exif_segment(_deep_ifds(200)), *more), ascii_value("Panasonic"))


def _x3f(number: int) -> bytes:
    """An X3F of sections that are all the same JPEG of empty segments."""
    picture = preview(*[segment(0xE2, b"")] * number)
    data = bytearray(x3f(*[picture] + [b"\xff\xd8"] * 49))
    start = int.from_bytes(data[-4:], "little")
    for at in range(50):
        data[start + 12 + 12 * at : start + 16 + 12 * at] = data[start + 12 : start + 16]
    return bytes(data)


def _brotli_tables(number: int) -> bytes:
    """Brotli that starts a new block, with its own tables, every few bytes."""
    text = packet(body="<dc:a>" + "".join(chr(32 + at * 7 % 95) for at in range(600)).replace("<", "(") + "</dc:a>")
    compressor = brotli.Compressor(quality=9)
    pieces = [compressor.process(text[at % 400 : at % 400 + 500]) + compressor.flush() for at in range(number)]
    return jxl(box(b"brob", b"xml " + b"".join(pieces) + compressor.finish()))


RECIPES = (
    Recipe("a flawed packet of elements", lambda n: _flawed("<dc:a>x</dc:a>" * n), 100_000),
    Recipe(
        "a flawed packet of attributes", lambda n: _flawed("", " ".join(f"dc:a{at}=''" for at in range(n))), 100_000
    ),
    Recipe("a flawed packet of words where attributes belong", lambda n: _flawed("", "a " * n), 4_000_000),
    Recipe("a flawed packet of quotes", lambda n: _flawed("", "a=\"'b='" * n), 1_000_000),
    Recipe("a flawed packet of quotes in tags", lambda n: _flawed("<a b=\"'>" * n), 1_000_000),
    Recipe("a flawed packet of less-than signs", lambda n: _flawed("<dc:a>" + "<" * n), 9_000_000),
    Recipe("a flawed packet of ampersands", lambda n: _flawed("<dc:a>" + "&" * n + "</dc:a>"), 9_000_000),
    Recipe("a flawed packet of wide characters", lambda n: _flawed("<dc:a>x" + "😀" * n + "</dc:a>"), 2_000_000),
    Recipe("a flawed packet of references", lambda n: _flawed("<dc:a>" + "&#1;<!-->" * n + "</dc:a>"), 900_000),
    Recipe("a flawed packet of end tags", lambda n: _flawed("<a>" * 50 + "</b>" * n), 2_000_000),
    Recipe("a flawed packet of instructions", lambda n: _flawed("<?a" * n), 29_000),
    Recipe("a flawed packet of comments", lambda n: _flawed("<!--" + "-" * n), 9_000_000),
    Recipe("a flawed packet of sections", lambda n: _flawed("<dc:a>" + "<![CDATA[x]]>" * n), 700_000),
    Recipe(
        "a flawed packet of prefixes that nobody declared",
        lambda n: _flawed("".join(f"<p{at}:a/>" for at in range(n))),
        700_000,
    ),
    Recipe(
        "a flawed packet of declarations, nested",
        lambda n: _flawed(("<a " + " ".join(f"xmlns:a{at}='u'" for at in range(n)) + ">") * 50),
        250,
    ),
    Recipe(
        "a flawed packet in bytes of no known encoding",
        lambda n: _in_png(packet(body=f"<dc:a>{'x' * n}</dc:a>").replace(b"xxxx", b"\xff\xfe\xfdx")),
        9_000_000,
    ),
    Recipe(
        "a flawed packet in UTF-16",
        lambda n: _in_png(
            ("\ufeff" + packet(body=f"<dc:a>{'x' * n}&</dc:a>").decode()).encode("utf-16-le") + b"\0\xd8"
        ),
        4_000_000,
    ),
    Recipe("50 flawed packets", lambda n: jpeg(*[xmp_segment(packet(body="<dc:a>&</dc:a>" * n))] * 50), 4_000),
    Recipe("blanks in a number of Exif", lambda n: _exif(F_NUMBER, b"1" + b" " * n + b"x"), 60_000),
    Recipe("digits in a number of Exif", lambda n: _exif(F_NUMBER, b"1" * n + b"x"), 60_000),
    Recipe("blanks in a number of XMP", lambda n: _xmp("1" + " " * n + "x"), 1_000_000),
    Recipe("digits in a number of XMP", lambda n: _xmp("1" * n + "/" + "1" * n + "x"), 500_000),
    Recipe("points and digits in a number", lambda n: _xmp("." * n + "1" * n), 500_000),
    Recipe("blanks in a date", lambda n: _exif(DATE_TIME_ORIGINAL, b"2024:01:01" + b" T" * n + b"x"), 30_000),
    Recipe("digits in a date", lambda n: _exif(DATE_TIME_ORIGINAL, b"2024:01:01 10:10:10." + b"1" * n + b"x"), 60_000),
    Recipe(
        "digits in a coordinate",
        lambda n: _in_png(
            packet(f'xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="{"1" * n}.{"1" * n},{"1" * n}"')
        ),
        300_000,
    ),
    Recipe("XML declarations", lambda n: _in_png(b"<a:b/>" + b"<?xml " * n), 1_000_000),
    Recipe("45 packets of XML declarations", lambda n: jpeg(*[xmp_segment(b"<a:b/>" + b"<?xml " * n)] * 45), 10_000),
    Recipe("closing tags", lambda n: _in_png(b"<a>" + b"</xmpmeta " * n + b"\xff"), 1_000_000),
    Recipe("a closing tag without end", lambda n: _in_png(b"<a></" + b"x" * n + b"\xff"), 9_000_000),
    Recipe(
        "prefixes that nobody declared",
        lambda n: _in_png(b"<a>" + b"".join(b"<p%d:a/>" % at for at in range(n))),
        700_000,
    ),
    Recipe("an undeclared prefix without end", lambda n: _in_png(b"<a:b><" + b"x" * n), 9_000_000),
    Recipe("versions in a namespace", lambda n: _namespaced("http://q/1" + "/1" * n + "x", 1), 400_000),
    Recipe("points in a namespace", lambda n: _namespaced("http://q/1" + ".1" * n + "x", 1), 400_000),
    Recipe("makers in a namespace", lambda n: _namespaced("http://" + "autel" * n, 1), 150_000),
    Recipe("sentera in a namespace", lambda n: _namespaced("http://" + "sentera." * n, 1), 100_000),
    Recipe("letters in a namespace", lambda n: _namespaced("a" * n, 1), 900_000),
    Recipe("2,000 names in a long namespace", lambda n: _namespaced("http://" + "x" * n, 2_000), 900_000),
    Recipe(
        "2,000 attributes in a long namespace",
        lambda n: _in_png(packet(f'xmlns:q="http://{"x" * n}" ' + " ".join(f"q:a{at}=''" for at in range(2_000)))),
        900_000,
    ),
    Recipe("declared namespaces", lambda n: _in_png(packet(" ".join(f"xmlns:a{at}='u'" for at in range(n)))), 60_000),
    Recipe(
        "declared namespaces, nested",
        lambda n: _in_png(
            b"".join(
                b"<a%d " % level + b" ".join(b"xmlns:a%d='u'" % at for at in range(n)) + b">" for level in range(50)
            )
        ),
        12_000,
    ),
    Recipe("long names", lambda n: _in_png(packet(body="".join(f"<dc:{'n' * n}{at}/>" for at in range(20)))), 450_000),
    Recipe(
        "distinct long names",
        lambda n: _in_png(packet(body="".join(f"<dc:a{at}{'n' * 200}/>" for at in range(n)))),
        40_000,
    ),
    Recipe(
        "namespaces for ever",
        lambda n: _in_png(packet(body="".join(f"<a xmlns='http://{at}/{'u' * 250}'/>" for at in range(n)))),
        30_000,
    ),
    Recipe("ASCII tags at one value", lambda n: _shared(ASCII, 65_000, b"\x81" * 65_000, n), 1_900),
    Recipe("ASCII tags at one value in UTF-8", lambda n: _shared(ASCII, 65_000, "😀".encode() * 16_250, n), 1_900),
    Recipe("ASCII tags at one value of quotes", lambda n: _shared(ASCII, 65_000, b'\x01"' * 32_500, n), 1_900),
    Recipe("byte tags at one value", lambda n: _shared(UNDEFINED, 1_000, b"ab" * 500, n), 1_900),
    Recipe(
        "rational tags at one value", lambda n: _shared(RATIONAL, 64, struct.pack("<128I", *range(1, 129)), n), 1_900
    ),
    Recipe(
        "float tags at one value",
        lambda n: _shared(FLOAT, 64, struct.pack("<64f", *[0.1 * at for at in range(64)]), n),
        1_900,
    ),
    Recipe(
        "Windows titles at one value",
        lambda n: (
            tiff({SUB_IFDS: [{XP_TITLE + at: Raw(1, 60_000, 4_000) for at in range(5)} for _ in range(n)]}).ljust(
                4_000, b"\0"
            )
            + "ア".encode() * 20_000
        ),
        32,
    ),
    Recipe(
        "comments in JIS",
        lambda n: jpeg(
            *[exif_segment(tiff({EXIF_IFD: {USER_COMMENT: (UNDEFINED, n + 8, b"JIS\0\0\0\0\0" + b"0!" * (n // 2))}}))]
            * 50
        ),
        60_000,
    ),
    Recipe(
        "comments in bytes of no known encoding",
        lambda n: jpeg(
            exif_segment(tiff({EXIF_IFD: {USER_COMMENT: (UNDEFINED, n + 8, b"JIS\0\0\0\0\0" + b"\xff" * n)}})),
        ),
        60_000,
    ),
    Recipe(
        "TIFF of lying counts",
        lambda n: tiff({256: Raw(LONG, 1, n), SUB_IFDS: Raw(LONG, n, 8), XMP: Raw(UNDEFINED, n, 8)}),
        2_000_000_000,
    ),
    Recipe("Exif blocks of overlapping directories", lambda n: jpeg(*[exif_segment(_deep_ifds(n))] * 50), 2_000),
    Recipe("a TIFF of overlapping directories", _deep_ifds, 2_000),
    Recipe("maker notes of long lists", _maker_note, 50),
    Recipe(
        "compressed texts", lambda n: png(*[chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"ab" * n))] * 100), 5_000_000
    ),
    Recipe(
        "compressed texts that are no text",
        lambda n: png(*[chunk(b"zTXt", b"a:b\0\0" + zlib.compress(bytes(n)))] * 1_000),
        10_000_000,
    ),
    Recipe(
        "compressed texts with broken ends",
        lambda n: png(*[chunk(b"zTXt", b"Title\0\0" + zlib.compress(bytes(n))[:-4])] * 1_000),
        10_000_000,
    ),
    Recipe("compressed packets", lambda n: _in_png(*[packet() + b" " * n] * 100), 10_000_000),
    Recipe(
        "text between 50,000 children",
        lambda n: _in_png(packet(body="<dc:a>" + ("x" * (n // 50_000) + "<dc:b/>") * 50_000 + "</dc:a>")),
        2_000_000,
    ),
    Recipe("texts between children", lambda n: _in_png(packet(body="<dc:a>" + "x<dc:b/>" * n + "</dc:a>")), 100_000),
    Recipe("lines of text", lambda n: _in_png(packet(body="<dc:a>" + "x\n" * n + "</dc:a>")), 4_500_000),
    Recipe("character references", lambda n: _in_png(packet(body="<dc:a>" + "&#65;" * n + "</dc:a>")), 1_900_000),
    Recipe("one value", lambda n: _in_png(packet(body="<dc:a>" + "x" * n + "</dc:a>")), 9_000_000),
    Recipe(
        "one value of four-byte characters",
        lambda n: _in_png(packet(body="<dc:a>" + "😀" + "x" * n + "</dc:a>")),
        9_000_000,
    ),
    Recipe(
        "a packet in UTF-16",
        lambda n: _in_png(("﻿" + packet(body="<dc:a>😀" + "x" * n + "</dc:a>").decode()).encode("utf-16-le")),
        4_000_000,
    ),
    Recipe("attributes", _attributes, 100_000),
    Recipe("one long attribute", lambda n: _in_png(packet(f'dc:a="{"x" * n}"')), 900_000),
    Recipe(
        "long attributes",
        lambda n: _in_png(packet(body="".join(f'<dc:a{at} dc:b="😀{"x" * n}" dc:c="x"/>' for at in range(25)))),
        600_000,
    ),
    Recipe("keywords", _bag, 60_000),
    Recipe("keywords with languages", lambda n: _bag(n, "<rdf:li xml:lang='a'>x</rdf:li>"), 60_000),
    Recipe(
        "properties twice",
        lambda n: _in_png(
            packet(body="".join(f"<dc:a{at}>{at}</dc:a{at}>" for at in range(n))),
            packet(body="".join(f"<dc:a{at}>y</dc:a{at}>" for at in range(n))),
        ),
        25_000,
    ),
    Recipe("deep", lambda n: _in_png(packet(body="<dc:a rdf:parseType='Resource'>" * n + "</dc:a>" * n)), 57),
    Recipe("comments", lambda n: _in_png(packet(body="<!---->" * n)), 1_400_000),
    Recipe("processing instructions", lambda n: _in_png(packet(body="<?a?>" * n)), 1_900_000),
    Recipe("CDATA", lambda n: _in_png(packet(body="<dc:a>" + "x<![CDATA[y]]>" * n + "</dc:a>")), 700_000),
    Recipe(
        "entities",
        lambda n: _in_png(
            b"<!--" + b"x" * n + b"--><!DOCTYPE x [<!ENTITY a '" + b"y" * 50_000 + b"'>]><x>" + b"&a;" * 3_000 + b"</x>"
        ),
        1_000_000,
    ),
    Recipe("Extended XMP of many documents", _extensions, 1_900),
    Recipe("Extended XMP in overlapping parts", _overlapping_parts, 1_900),
    Recipe("IPTC of small datasets", lambda n: tiff({IPTC: (UNDEFINED, 5 * n, b"\x1c\x01\x01\0\0" * n)}), 200_000),
    Recipe("IPTC keywords", lambda n: tiff({IPTC: (UNDEFINED, 6 * n, b"\x1c\x02\x19\0\x01\x81" * n)}), 170_000),
    Recipe(
        "IPTC of a long length",
        lambda n: tiff({IPTC: (UNDEFINED, n + 5, b"\x1c\x02\x19\xff\xff" + b"\xff" * n)}),
        1_000_000,
    ),
    Recipe(
        "IPTC in 50 blocks",
        lambda n: jpeg(*[exif_segment(tiff({IPTC: (UNDEFINED, 5 * n, b"\x1c\x01\x01\0\0" * n)}))] * 50),
        12_000,
    ),
    Recipe(
        "packets of one place",
        lambda n: (
            tiff({SUB_IFDS: [{XMP: Raw(UNDEFINED, n, 2_000)} for _ in range(32)]}).ljust(2_000, b"\0")
            + packet(body="x" * n)
        ),
        9_000_000,
    ),
    Recipe("HEIF associations", _ipma, 4_000),
    Recipe("HEIF boxes", _boxes, 20_000),
    Recipe("HEIF items of the same bytes", _same_extents, 500),
    Recipe("HEIF of many Exif items", lambda n: heif(*[Item(b"Exif", bytes(4) + _deep_ifds(200))] * n), 200),
    Recipe("GIF of short blocks", _gif, 500_000),
    Recipe("PNG that ends in IDATs", _idats, 300_000),
    Recipe("PNG raw profiles", lambda n: png(*[raw_profile("xmp", packet() + b" " * n)] * 40), 2_000_000),
    Recipe(
        "WebP of many packets", lambda n: webp(vp8x(), *[riff_chunk(b"XMP ", packet(body="<dc:a/>" * 500))] * n), 1_900
    ),
    Recipe("amplified", lambda n: _in_png(packet(body="<dc:a>" + "x" * n + "</dc:a>")), 340_000),
    Recipe(
        "amplified in keywords",
        lambda n: _in_png(packet(body="<dc:subject><rdf:Bag><rdf:li>" + "x" * n + "</rdf:li></rdf:Bag></dc:subject>")),
        90_000,
    ),
    Recipe("JPEG of empty segments", lambda n: jpeg(*[segment(0xE2, b"")] * n), 2_100),
    Recipe("JPEG of fill bytes", lambda n: b"\xff\xd8" + b"\xff" * n, 4_000_000),
    Recipe("comments of JPEG", lambda n: jpeg(*[segment(0xFE, b"\x81" * n)] * 50), 65_000),
    Recipe(
        "Photoshop resources",
        lambda n: jpeg(*[segment(0xED, b"Photoshop 3.0\0" + resource(0x0404, iptc_record() * n))] * 60),
        5_000,
    ),
    Recipe("JPEG of garbage", lambda n: b"\xff\xd8" + (b"\xff\0" * n + segment(0xE2, b"")) * 2_000, 2_000),
    Recipe("JPEG of misnamed packets", lambda n: jpeg(*[segment(0xE1, b"XMP\0<x:xmpmeta" + packet())] * n), 1_900),
    Recipe("PSD resources", _psd, 300),
    Recipe("JPEG 2000 boxes", _jp2, 50_000),
    Recipe("JPEG XL boxes", _jxl, 20_000),
    Recipe("TIFF of scattered values", _scattered, 150),
    Recipe("a maker note far away", _far_note, 10_000),
    Recipe("IPTC of words", lambda n: tiff({IPTC: (LONG, n, b"\0\x02\x19\x1cx\x1c\x01\0" * (n // 2))}), 200_000),
    Recipe("positions and times", _every_gps, 30_000),
    Recipe("structures of XMP", _structures, 9_000),
    Recipe("structure of an aircraft", _angles, 30_000),
    Recipe("Exif that goes on byte by byte", _goes_on, 1_800),
    Recipe(
        "compressed texts of empty blocks",
        lambda n: png(*[chunk(b"zTXt", b"Title\0\0" + _empty_blocks(n))] * 2),
        10_000_000,
    ),
    Recipe(
        "IPTC of words in many blocks",
        lambda n: webp(vp8x(), *[riff_chunk(b"EXIF", tiff({IPTC: (LONG, n, b"\0\x02\x19\x1c" * n)}))] * 12),
        262_000,
    ),
    Recipe("maker notes of texts", lambda n: png(*[chunk(b"eXIf", _texts_in_note(n))] * 50), 300),
    Recipe(
        "a prefix that is not declared behind many comments",
        lambda n: _in_png(packet(body=("<!---->" * 8_000 + "<dc:a/>") * n + "<zz:q/>")),
        180,
    ),
    Recipe(
        "a prefix that is not declared behind lines of text",
        lambda n: _in_png(packet(body="<dc:a>" + "\n\n" * n + "</dc:a><zz:q/>")),
        4_900_000,
    ),
    Recipe("pictures in attributes", lambda n: png(itxt(KEYWORD, packet(f'dc:a="{"Q" * n}" dc:b="x"'))), 9_000_000),
    Recipe("CR3 boxes", _cr3, 25),
    Recipe("RAF entries", lambda n: raf(preview(*[xmp_segment(packet())] * n), *[(0x111, b"\0")] * n), 1_900),
    Recipe("RW2 and its JPEG", _rw2, 1_900),
    Recipe(
        "MRW blocks",
        lambda n: (
            b"\0MRM\x7f\xff\xff\xff"
            + (b"\0TTW" + struct.pack(">I", 60_000) + _deep_ifds(2_000)[:60_000].ljust(60_000, b"\0")) * n
        ),
        50,
    ),
    Recipe("MRW", lambda n: mrw(_deep_ifds(n)), 2_000),
    Recipe("X3F sections", _x3f, 2_100),
    Recipe(
        "a raw whose size stands elsewhere",
        lambda n: marked(
            b"CR\2\0", {SUB_IFDS: [{XP_TITLE: Raw(1, n, 8)}] * 32, EXIF_IFD: {USER_COMMENT: Raw(7, n, 8)}}
        ),
        60_000,
    ),
    Recipe("a raw of a long make", lambda n: filter_array(ascii_value("x" * n)), 900_000),
    Recipe("a small box of light", lambda n: mini(b"x" * n, packet(), "0" + "1" * 6 + "0" * 800), 900_000),
    Recipe("Brotli", lambda n: jxl(*[brob(b"xml ", packet() + b" " * n)] * 100), 9_000_000),
    Recipe("Brotli with broken ends", lambda n: jxl(*[brob(b"Exif", bytes(n))[:-2] + bytes(2)] * 500), 9_000_000),
    Recipe("Brotli of tables", _brotli_tables, 4_000),
    Recipe("JPEG of fill bytes before each segment", lambda n: jpeg(*[b"\xff" * n + segment(0xE2, b"")] * 900), 4_000),
    Recipe("amplified in warnings", _amplified_warnings, 7_000),
    Recipe("all limits at once", _limits_at_once, 1_000),
    Recipe("everything at once", _everything, 1_000),
)
