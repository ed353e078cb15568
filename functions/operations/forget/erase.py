"""What is done to each place that holds something of an image; `search` has the list of places.

Nothing is deleted before what takes its place is there, and every step can be repeated: a run that died anywhere is
simply run again. What somebody else has changed meanwhile is left alone; the search that follows says so.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

import orjson

from ledger.change import Change
from ledger.errors import Damaged, NotFound, Refused, Unknown
from ledger.journal import dump_record, load_record, segment_in_place_of, unpack, write_segment
from ledger.ledger import Ledger
from ledger.manifest import Root, decode_root, encode_root
from ledger.objects import PAGE_TYPE
from ledger.slices import merge_slice, next_slice
from ledger.store import Listed
from operations.forget.findings import Findings
from operations.forget.redaction import redact

_LATEST = 10**38  # above every revision

Erase = Callable[[Ledger, Findings, Listed], None]


def erase(ledger: Ledger, findings: Findings, place: str, listed: Listed) -> None:
    """Take what is about the images out of one object, as it was listed.

    Raises:
        Damaged: the object is not readable.
        Unavailable: the store did not answer.
    """
    with suppress(NotFound, Refused, Unknown):  # gone or another by now, or the answer was lost: searched again
        _WAYS.get(place, _delete)(ledger, findings, listed)


def _delete(ledger: Ledger, findings: Findings, listed: Listed) -> None:
    ledger.store.delete_if_match(listed.key, listed.etag)


def _replace_segment(ledger: Ledger, findings: Findings, listed: Listed) -> None:
    """Write the redacted segment, whose name is another, and then delete the one that it replaces."""
    lines: list[bytes] = []
    for line in unpack(listed.key, ledger.store.get(listed.key).body):
        record = load_record(listed.key, line)
        left = redact(record, findings.etags)
        lines += [line] if left == [record] else map(dump_record, left)
    write_segment(ledger.store, segment_in_place_of(listed.key, lines))
    _delete(ledger, findings, listed)


def _redact_batch(ledger: Ledger, findings: Findings, listed: Listed) -> None:
    body = ledger.store.get(listed.key).body
    try:
        batch = orjson.loads(body)
        is_text = isinstance(payload := batch["payload"], str)
        records = (orjson.loads(payload) if is_text else payload)["Records"]
        left = {"Records": [one for record in records for one in redact(record, findings.etags)]}
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{listed.key} names the image and is no batch: look into it and delete it") from error
    batch["payload"] = dump_record(left).decode() if is_text else left
    ledger.store.put_if_match(listed.key, dump_record(batch), listed.etag, "application/json", {})


def _remake_snapshot(ledger: Ledger, findings: Findings, listed: Listed) -> None:
    """Pin the same root under the same name, without the rows."""
    root = without_rows(ledger, decode_root(ledger.store.get(listed.key).body, listed.key), findings)
    ledger.store.put_if_match(listed.key, encode_root(root), listed.etag, PAGE_TYPE, {})


def without_rows(ledger: Ledger, root: Root, findings: Findings) -> Root:
    """Take the rows of the images out of the tree of a root, and write what it then consists of."""
    todo = [Change(key, _LATEST, None) for key in findings.keys]
    while todo:
        part, todo = next_slice(ledger.objects, root, todo)
        merged = merge_slice(ledger.objects, root, part, "")
        ledger.objects.write(merged.pages, merged.shards)
        root = replace(root, rows=merged.rows)
    return root


_WAYS: Mapping[str, Erase] = {
    "journal": _replace_segment,
    "failed batches": _redact_batch,
    "snapshots": _remake_snapshot,
}
