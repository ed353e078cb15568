"""What a walk through an image file yields: the metadata blocks, each with the place where it stood."""

from dataclasses import dataclass, field

from image_processor.budget import BLOCKS, Budget
from image_processor.reading.file import File, MemoryFile
from image_processor.reading.tiff import Ifd

MAX_WARNINGS = 20
"""Warnings one file may cause: a damaged file repeats itself, and a row has room for the first few only."""

MAX_PACKET = 10 * 1024 * 1024
"""Bytes of one XMP packet: editors pad packets, even by megabytes; no real document comes near."""

MAX_BLOCKS = 50
"""XMP packets, Exif blocks, comments and texts of one file, each: more are no photo's."""

EXIF_PREFIX = b"Exif\0\0"
"""What announces a TIFF structure in JPEG, and by mistake or custom elsewhere too."""


MAKER_NOTE = "MakerNote"
"""Root of a TIFF structure whose first directory is a maker note: its maker's tags, not the standard's."""

XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"
"""What announces an XMP packet in JPEG, and in the profiles that ImageMagick copies into PNG."""


@dataclass(frozen=True, slots=True)
class Block:
    """A run of metadata bytes.

    Attributes:
        file: the bytes; those of a TIFF file, whose tags may stand anywhere, are read as they are used.
        offset: where the block starts in the object, in bytes (of the first part, if it was joined from several).
        where: the place in the words of its format, e.g. `APP1`, `eXIf`, `item 3`.
        root: what the first directory of a TIFF structure is: `IFD` (IFD0), or one that stands by itself.
        ifds: the directories of a TIFF structure, once it was looked into.
    """

    file: File
    offset: int
    where: str
    root: str = "IFD"
    ifds: list[Ifd] = field(default_factory=list, compare=False)

    @property
    def data(self) -> bytes:
        """All bytes of the block at once."""
        return self.file.read_at(0, self.file.size)


@dataclass(frozen=True, slots=True)
class Text:
    """A text with a keyword, as PNG keeps them (PNG specification, 11.3.3).

    Attributes:
        keyword: e.g. `Title`, `Author`, `Description`, `Copyright`, `Software`, `Comment`.
        text: its text, decoded.
        offset: where the chunk starts in the object, in bytes.
        where: the chunk's type.
    """

    keyword: str
    text: str
    offset: int
    where: str


@dataclass(slots=True)
class Container:
    """An image file, taken apart.

    Attributes:
        content_type: media type by content, in ExifTool's spelling.
        budget: what the image may still cost.
        width: pixels of the main image as stored, before any rotation; None if the file does not say.
        height: the same.
        exif: TIFF structures without any `Exif` prefix; the first is the main image's.
        xmp: XMP packets in file order.
        iptc: IPTC-IIM records (the bytes of Photoshop resource 0x0404 or of TIFF tag 33723).
        comments: comments without a declared encoding (JPEG COM, GIF comment extension).
        texts: PNG text chunks that are not metadata blocks of another kind.
        warnings: what could not be read and why.
    """

    content_type: str
    budget: Budget = field(default_factory=Budget, compare=False)
    width: int | None = None
    height: int | None = None
    exif: list[Block] = field(default_factory=list)
    xmp: list[Block] = field(default_factory=list)
    iptc: list[Block] = field(default_factory=list)
    comments: list[Block] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add_exif(self, data: bytes, offset: int, where: str, root: str = "IFD") -> None:
        """Add a TIFF structure, without the `Exif` prefix if it has one."""
        if data.startswith(EXIF_PREFIX):
            data, offset = data[len(EXIF_PREFIX) :], offset + len(EXIF_PREFIX)
        if self._has_room(len(self.exif), len(data), "Exif blocks"):
            self.exif.append(Block(MemoryFile(data), offset, where, root))

    def extend_exif(self, number: int, parts: list[bytes]) -> None:
        """Let a TIFF structure go on with these bytes, all at once: joined one by one they are copied each time."""
        block = self.exif[number]
        self.exif[number] = Block(MemoryFile(b"".join((block.data, *parts))), block.offset, block.where)

    def add_xmp(self, data: bytes, offset: int, where: str) -> None:
        """Add an XMP packet."""
        self._add(self.xmp, data, offset, where, "XMP packets")

    def add_iptc(self, data: bytes, offset: int, where: str) -> None:
        """Add an IPTC-IIM record."""
        self._add(self.iptc, data, offset, where, "IPTC records")

    def add_comment(self, data: bytes, offset: int, where: str) -> None:
        """Add a comment."""
        self._add(self.comments, data, offset, where, "comments")

    def add_text(self, text: Text) -> None:
        """Add a text with a keyword."""
        if self._has_room(len(self.texts), len(text.text), "texts"):
            self.texts.append(text)

    def has_room(self, size: int) -> bool:
        """Tell whether a block of `size` bytes can still be added: to be asked where many can stand at one place."""
        return self.budget.left(BLOCKS) >= size or self.budget.take(BLOCKS, size)

    def _add(self, blocks: list[Block], data: bytes, offset: int, where: str, kind: str) -> None:
        if self._has_room(len(blocks), len(data), kind):
            blocks.append(Block(MemoryFile(data), offset, where))

    def _has_room(self, count: int, size: int, kind: str) -> bool:
        if count >= MAX_BLOCKS:
            self.warn(f"{kind} beyond {MAX_BLOCKS} not kept")
            return False
        return self.budget.take(BLOCKS, size)

    def warn(self, text: str) -> None:
        """Note what could not be read; the same text counts once, and only the first few are kept."""
        if text not in self.warnings and len(self.warnings) < MAX_WARNINGS:
            last = len(self.warnings) == MAX_WARNINGS - 1
            self.warnings.append("more warnings of the file were left out" if last else text)
