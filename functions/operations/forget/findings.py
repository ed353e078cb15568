"""What a search for images found, place by place."""

from collections.abc import Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ledger.event import read_event
from ledger.store import Listed
from operations.forget.redaction import Life, etags_of, note_lives


@dataclass(slots=True)
class Searched:
    """What was read of a place, and what was found there."""

    objects: int = 0
    bytes: int = 0
    found: list[Listed] = field(default_factory=list)


@dataclass
class Findings:
    """What a search found.

    Attributes:
        etags: of the images.
        places: by name, in the order in which they were searched.
        lives: of the images, by key.
        known: those of the images that an event, or an item of a table export, is about.
        newest_event: time of the last of their events; empty if none has one.
        strangers: keys and folders of the bucket that are not Skyledger's, and were not searched.
    """

    etags: Set[str]
    places: dict[str, Searched] = field(default_factory=dict)
    lives: dict[bytes, Life] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    newest_event: str = ""
    strangers: list[str] = field(default_factory=list)

    @cached_property
    def names(self) -> frozenset[bytes]:
        """Give the ETags as objects have them."""
        return frozenset(etag.encode() for etag in self.etags)

    @property
    def keys(self) -> list[bytes]:
        """Give the keys of the lives, in order."""
        return sorted(self.lives)

    @property
    def is_clean(self) -> bool:
        """Whether no place holds anything of the images."""
        return not any(searched.found for searched in self.places.values())

    def note(self, record: Any) -> None:
        """Take notice of a record about one of the images."""
        note_lives(record, self.etags, self.lives)
        self.known |= etags_of(record) & self.etags
        self.newest_event = max(self.newest_event, read_event(record).time)
