"""All metadata of one image, and the look-up of what `precedence` names in it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from image_processor.columns import precedence
from image_processor.errors import Unusable
from image_processor.formats.blocks import Container
from image_processor.tags import exif, iptc, text, xmp
from image_processor.tags.exif import Exif, Tag
from image_processor.tags.exif_types import is_text, numbers_of, written
from image_processor.tags.iptc import Iptc
from image_processor.tags.numbers import Raw
from image_processor.tags.xmp import Document

MAX_WARNINGS = 50
"""Warnings of one row."""

MAX_WARNING = 300
"""Bytes of one warning."""

T = TypeVar("T")


@dataclass(slots=True)
class Metadata:
    """What was read from one image.

    Attributes:
        container: the file taken apart.
        exif: tags.
        xmp: properties.
        iptc: datasets.
        sources: names, as in `precedence`, under which these say something, by the column that they feed; best first.
        warnings: what was unusable and why, each `column: reason` or `block: reason`, in order of appearance.
    """

    container: Container
    exif: Exif
    xmp: Document
    iptc: Iptc
    sources: dict[str, list[str]]
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, container: Container) -> "Metadata":
        """Read the blocks of a container."""
        budget = container.budget
        # The order in which they are paid for: XMP is last, since some phones store pictures in it.
        tags = exif.read(container.exif, budget)
        # In a JPEG the record of the Photoshop segment is the one that programs maintain (MWG guidelines).
        records = sorted(container.iptc, key=lambda block: block.where != "APP13")
        datasets = iptc.read([block.data for block in records], budget)
        properties = xmp.read([block.data for block in container.xmp], budget)
        metadata = cls(container, tags, properties, datasets, _sources(container, tags, properties, datasets))
        for part in (container, metadata.exif, metadata.xmp, metadata.iptc):
            for warning in part.warnings:
                metadata.warn(warning)
        return metadata

    def warn(self, warning: str) -> None:
        """Note what was unusable; the same text counts once, and only the first are kept."""
        if len(self.warnings) >= MAX_WARNINGS:
            return
        warning = text.cut(text.clean(warning), MAX_WARNING)
        if warning in self.warnings:
            return
        last = len(self.warnings) == MAX_WARNINGS - 1
        self.warnings.append("more warnings were left out" if last else warning)

    def values(self, source: str) -> tuple[Raw, ...]:
        """Return a source's numbers (a text for those that have none); empty if it is absent or blank.

        Raises:
            Unusable: it has more of them than such a tag has.
        """
        group, _, name = source.partition(":")
        if group == "EXIF":
            return self._exif_numbers(name)
        if group == "DJI":
            value = self.exif.maker_note.get(name) if self._is_dji() else None
            return (value,) if isinstance(value, (int, float)) else ()
        content = self.text(source)
        return (content,) if content else ()

    def value(self, source: str) -> Raw | None:
        """Return a source's number (of a list the first), or None if it has none; raise as `values` does."""
        values = self.values(source)
        return values[0] if values else None

    def text(self, source: str, column: str = "") -> str | None:
        """Return a source's text, or None if it is absent or blank.

        Args:
            source: a name as in `precedence`.
            column: column to name in the warning if the text's encoding had to be guessed.
        """
        texts = self.texts(source, column)
        return texts[0] if texts else None

    def texts(self, source: str, column: str = "") -> list[str]:
        """Return all texts of a source: the items of an array, all values of a repeated dataset."""
        group, _, name = source.partition(":")
        if group == "EXIF":
            return self._exif_text(name, column)
        if group == "IPTC":
            return self.iptc.values.get(name, [])
        if group == "PNG":
            texts = [entry.text for entry in self.container.texts if entry.keyword.lower() == name.lower()]
        elif "/" in name:
            texts = self._field(source)
        else:
            texts = self.xmp.texts(source)
        return [cleaned for content in texts if (cleaned := text.clean(content))]

    def together(self, sources: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        """Yield the texts of sources that belong together, empty for what is absent; best first.

        Of EXIF they are those of one directory: another program may have written the other one.
        """
        group, _, name = sources[0].partition(":")
        if group != "EXIF":
            yield tuple((self.text(source) if source else None) or "" for source in sources)
            return
        for tag in self.exif.find(name):
            others = (self.exif.beside(tag, source.partition(":")[2]) for source in sources[1:])
            yield tuple(self._text_of(one) if one else "" for one in (tag, *others))

    def first(self, column: str, sources: Iterable[Any], read: Callable[[Any], T | None]) -> T | None:
        """Return what the first source gives that has something usable; the others cost a warning.

        Args:
            column: named in the warning.
            sources: best first.
            read: returns None for an absent source, and raises `Unusable` for one that says nothing.
        """
        for source in sources:
            try:
                value = read(source)
            except Unusable as error:
                self.warn(f"{column}: {error}")
                continue
            if value is not None:
                return value
        return None

    def _exif_text(self, name: str, column: str) -> list[str]:
        return [content for tag in self.exif.find(name) if (content := self._text_of(tag, column))][:1]

    def _text_of(self, tag: Tag, column: str = "") -> str:
        if not is_text(tag):
            self.warn(f"exif: {tag.directory} {tag.name}: {written(tag)}, no text")
            return ""
        content, guessed = tag.text()
        content = text.clean(content)
        if content and guessed and column:
            self.warn(f"{column}: not UTF-8, read as Windows-1252")
        return content

    def _exif_numbers(self, name: str) -> tuple[Raw, ...]:
        unusable: list[Unusable] = []
        for tag in self.exif.find(name):
            try:
                numbers, warning = numbers_of(tag)
            except Unusable as error:
                unusable.append(error)
                continue
            if warning:
                self.warn(warning)
            if numbers:
                return numbers
        if unusable:
            raise unusable[0]
        return ()

    def _field(self, path: str) -> list[str]:
        """Return a field of a structure, `prefix:Structure/Field`; the field has its structure's prefix."""
        structure, _, name = path.partition("/")
        value = self.xmp.properties.get(structure)
        if not isinstance(value, dict):
            return []
        content = xmp.text_of(value.get(f"{structure.partition(':')[0]}:{name}"))
        return [content] if content else []

    def _is_dji(self) -> bool:
        return self.exif.maker_note.get("Make") == "DJI"


def _sources(container: Container, exif: Exif, document: Document, iptc: Iptc) -> dict[str, list[str]]:
    """Return the sources that are there, by column: of a column's nine sources a photo has one or none."""
    sources: dict[str, list[str]] = {}
    for source in _found(container, exif, document, iptc):
        for column in precedence.FEEDS[source]:
            sources.setdefault(column, []).append(source)
    for column, names in sources.items():
        if len(names) > 1:
            names.sort(key=precedence.SOURCES[column].index)
    if container.comments:
        sources.setdefault("comment", [])  # fed all the same: a comment has no name
    return sources


def _found(container: Container, exif: Exif, document: Document, iptc: Iptc) -> set[str]:
    groups = precedence.GROUPS
    found = _of_group(groups["EXIF"], exif.names())
    found += _of_group(groups["DJI"], exif.maker_note)
    found += _of_group(groups["IPTC"], iptc.values)
    found += _of_group(groups["PNG"], [entry.keyword.capitalize() for entry in container.texts])
    for structure, fields in precedence.STRUCTURES.items():
        value = document.properties.get(structure)
        if isinstance(value, dict):
            found += _of_group(fields, [key.rpartition(":")[2] for key in value])
    return {*found, *(precedence.FEEDS.keys() & document.properties.keys())}


def _of_group(sources: Mapping[str, str], names: Iterable[str]) -> list[str]:
    return [sources[name] for name in names if name in sources]
