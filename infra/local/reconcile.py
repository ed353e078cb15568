"""What is to be done so that the bucket follows a folder. Pure: folder, record and bucket in, actions out.

    the file           the record says          the object      so
    new or changed     anything                 anything        upload it, unless the object holds these bytes already
    as recorded        uploaded from here       is gone         upload it again, when the run begins
    as recorded        anything                 any             nothing: what was put over S3 stays
    gone               uploaded from here       as uploaded     delete the object
    gone               uploaded from here       another, gone   forget it: it is somebody else's by now
    cannot be seen     anything                 anything        nothing: a folder that is not mounted is not empty

Uploaded from another folder counts as gone, unless that is to be kept: a run shows the photos of its own folder. What
was uploaded is written down before it is done, with a stamp that no file has, so that a run that is killed neither
forgets what it uploaded nor takes for done what it did not do.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from infra.local.folder import Found, Stamp


class Upload(NamedTuple):
    """What the record knows of a key.

    Attributes:
        folder: that its file is in.
        stamp: of the file when the object was as the file; None while it is being uploaded.
        etags: of the objects that were uploaded from the file and may be there; none if what the object holds was put
            there by somebody else.
    """

    folder: str
    stamp: Stamp | None
    etags: tuple[str, ...]


Record = Mapping[str, Upload]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done.

    Attributes:
        read: keys whose files are to be read, and uploaded where the object holds something else.
        delete: keys whose objects are to be deleted.
        forget: keys that leave the record, the deleted ones among them.
    """

    read: tuple[str, ...]
    delete: tuple[str, ...]
    forget: tuple[str, ...]

    def __bool__(self) -> bool:
        """Whether anything is to be done."""
        return bool(self.read or self.forget)


def plan(
    folder: str,
    found: Found,
    record: Record,
    objects: Mapping[str, str],
    *,
    begins: bool = False,
    keep: bool = False,
) -> Plan:
    """Say what is to be done.

    Args:
        folder: the folder that is followed.
        found: what is in it now.
        record: what was uploaded.
        objects: the ETags of what is in the bucket, by key.
        begins: the run begins, so that objects that are gone are uploaded again.
        keep: leave alone what was uploaded from other folders.
    """

    def is_done(key: str, stamp: Stamp) -> bool:
        known = record.get(key)
        same = known is not None and (known.folder, known.stamp) == (folder, stamp)
        return same and not (begins and key not in objects)

    def is_gone(key: str) -> bool:
        if record[key].folder != folder:
            return not keep
        return not found.is_unseen(key)

    gone = [key for key in record if key not in found.files and is_gone(key)]
    return Plan(
        read=tuple(key for key, file in found.files.items() if not is_done(key, file.stamp)),
        delete=tuple(key for key in gone if objects.get(key) in record[key].etags),
        forget=tuple(gone),
    )


def is_suspicious(folder: str, found: Found, record: Record) -> bool:
    """Say whether a folder has lost all its files at once: then it is rather not mounted than emptied."""
    return not found.files and any(known.folder == folder for known in record.values())


def none_seen(found: Found) -> Found:
    """Take a look for one that could not tell what is gone."""
    return Found(found.files, found.skipped, [""])


def others(folder: str, record: Record, keys: Iterable[str]) -> dict[str, int]:
    """Count, of these keys, those that were uploaded from each other folder."""
    counts: dict[str, int] = {}
    for key in keys:
        if (other := record[key].folder) != folder:
            counts[other] = counts.get(other, 0) + 1
    return counts
