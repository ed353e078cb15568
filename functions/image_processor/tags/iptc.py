"""IPTC-IIM records: the captions of press and stock photography (IPTC Information Interchange Model 4.2).

A record is a run of datasets: 0x1C, record number, dataset number, length, value.
"""

from dataclasses import dataclass, field

from image_processor.budget import STEPS, TEXT, Budget
from image_processor.tags import text

_MARKER = 0x1C
_APPLICATION = 2
_DECODING = 10  # steps: what a value takes that is kept, against one that is passed over
_LONGEST_LENGTH = 8  # bytes in which an extended dataset says its length

_NAMES = {
    5: "ObjectName",
    25: "Keywords",
    55: "DateCreated",
    60: "TimeCreated",
    80: "By-line",
    105: "Headline",
    116: "CopyrightNotice",
    120: "Caption-Abstract",
}


@dataclass(slots=True)
class Iptc:
    """The datasets that feed columns, by name; repeatable ones have several values."""

    values: dict[str, list[str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def read(records: list[bytes], budget: Budget) -> Iptc:
    """Read IPTC records; of several, the first that has a dataset counts.

    Text is UTF-8 where the record declares it or is valid as such, else Windows-1252, as most programs without a
    declaration wrote.
    """
    iptc = Iptc()
    for record in records:
        datasets: dict[str, list[str]] = {}
        for number, value in _datasets(record, budget):
            content, guessed = text.decode(value)
            if guessed:
                warning = f"iptc: {_NAMES[number]}: not UTF-8, read as Windows-1252"
                if warning not in iptc.warnings:
                    iptc.warnings.append(warning)
            if content:
                datasets.setdefault(_NAMES[number], []).append(content)
        for name, values in datasets.items():
            iptc.values.setdefault(name, values)
    return iptc


def _datasets(record: bytes, budget: Budget) -> list[tuple[int, bytes]]:
    """Return the known datasets of the application record in order, as far as the record is sound."""
    datasets: list[tuple[int, bytes]] = []
    offset = 0
    while offset + 5 <= len(record) and record[offset] == _MARKER and budget.take(STEPS):
        number, dataset = record[offset + 1], record[offset + 2]
        length = int.from_bytes(record[offset + 3 : offset + 5], "big")
        offset += 5
        if length & 0x8000:  # extended dataset: the length of the length
            size = length & 0x7FFF
            if size > _LONGEST_LENGTH:
                break
            length = int.from_bytes(record[offset : offset + size], "big")
            offset += size
        if number == _APPLICATION and dataset in _NAMES:
            value = record[offset : offset + length]
            if budget.take(STEPS, _DECODING) and budget.take(TEXT, len(value)):
                datasets.append((dataset, value))
        offset += length
    return datasets
