"""What is left of the events of a forgotten image: that it is gone. Pure.

The journal rests on its events: their times and numbers make the checkpoint, and a replay must come to the live tree.
So an event is not taken out, it is *redacted*: it becomes the removal of the lives that it speaks of, at its own time
and revision, and keeps nothing else of its images, not even the name of the object. What stays of a life is its key
(`ingested_at`, and the ETag, at most a checksum of the photo) and its revisions.

A replay to any time then finds removals and never a row; and the highest of them is the removal that really happened,
so that what the removals tree remembers is the same too. Redacting what is redacted changes nothing.
"""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any, NamedTuple

from ledger.errors import BadEvent
from ledger.row import ETAG, INGESTED_AT, item_key, item_revision

# The eventName of a record that never could become a change: no removal can be made of it either.
FORGOTTEN = "FORGOTTEN"

# Of a record only what a replay reads is kept: which stream, when, and its number there.
_KEPT = ("eventSourceARN",)
_KEPT_OF_CONTENT = ("ApproximateCreationDateTime", "SequenceNumber")


@dataclass(slots=True)
class Life:
    """What the events say of one key.

    Attributes:
        put: highest revision of an item that they show; -1 if they show none.
        removed: highest revision at which they say that it is gone; -1 if they do not.
    """

    put: int = -1
    removed: int = -1

    @property
    def is_over(self) -> bool:
        """Whether it has ended by what the events say."""
        return self.removed >= self.put


class _Image(NamedTuple):
    """What a record says of one key; `key` is None if the image has none that could be a row's."""

    etag: str
    key: bytes | None
    revision: int
    is_gone: bool


def etags_of(record: Any) -> set[str]:
    """Name the image that a record is about: its ETag is the item's key, so a record that DynamoDB made has one."""
    keys = _content(record).get("Keys")
    return {_etag_of(keys if isinstance(keys, dict) else {}), *(image.etag for image in _images(record))} - {""}


def note_lives(record: Any, etags: Set[str], lives: dict[bytes, Life]) -> None:
    """Note what a record says of the lives of these images."""
    for image in _images(record):
        if image.etag in etags and image.key is not None:
            life = lives.setdefault(image.key, Life())
            if image.is_gone:
                life.removed = max(life.removed, image.revision)
            else:
                life.put = max(life.put, image.revision)


def redact(record: Any, etags: Set[str]) -> list[Any]:
    """Give what is to stand in a record's place: itself, unless it is about one of these images."""
    about = sorted(etags_of(record) & etags)
    if not about:
        return [record]
    content = _content(record)
    head = {name: record[name] for name in _KEPT if name in record}
    facts = {name: content[name] for name in _KEPT_OF_CONTENT if name in content} | {"Keys": {"etag": {"S": about[0]}}}
    revisions: dict[bytes, int] = {}
    for image in _images(record):
        if image.key is not None:
            revisions[image.key] = max(image.revision, revisions.get(image.key, 0))
    if not revisions:
        return [head | {"eventName": FORGOTTEN, "dynamodb": facts}]
    return [
        head | {"eventName": "REMOVE", "dynamodb": facts | {"OldImage": _bare(key, revision)}}
        for key, revision in revisions.items()
    ]


def _bare(key: bytes, revision: int) -> dict[str, dict[str, str]]:
    ingested_at, etag = key.decode().split(",", 1)
    return {"ingested_at": {"S": ingested_at}, "etag": {"S": etag}, "revision": {"N": str(revision)}}


def _content(record: Any) -> Mapping[str, Any]:
    content = record.get("dynamodb") if isinstance(record, dict) else None
    return content if isinstance(content, dict) else {}


def _images(record: Any) -> Iterator[_Image]:
    content = _content(record)
    new, old = content.get("NewImage"), content.get("OldImage")
    if isinstance(new, dict):
        yield (present := _image(new, is_gone=False))
    if isinstance(old, dict):
        former = _image(old, is_gone=True)
        stays = isinstance(new, dict) and former.key == present.key
        yield former._replace(is_gone=not stays)
    if "Lacking" in content:  # what a backfill journals of a row whose item is gone
        yield _lacking(str(content["Lacking"]), content.get("Revision"))


def _image(item: Mapping[str, Any], *, is_gone: bool) -> _Image:
    try:
        return _Image(_etag_of(item), item_key(item), item_revision(item), is_gone)
    except (BadEvent, AttributeError, TypeError):
        return _Image(_etag_of(item), None, 0, is_gone)


def _lacking(key: str, revision: Any) -> _Image:
    ingested_at, _, etag = key.partition(",")
    usable = INGESTED_AT.fullmatch(ingested_at) and ETAG.fullmatch(etag) and isinstance(revision, int)
    return _Image(etag, key.encode() if usable else None, revision if usable else 0, is_gone=True)


def _etag_of(item: Mapping[str, Any]) -> str:
    value = item.get("etag")
    text = value.get("S") if isinstance(value, dict) else None
    return text if isinstance(text, str) else ""
