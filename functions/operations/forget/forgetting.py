"""Forget images for good: one search, one pass of erasing, one more search, and a proof.

1. Search (`search`): which lives the images had, and every object that holds something of them.
2. Refuse if an image is not gone: each life must have ended by the events, and the live tree have no row of it. The
   photos are the truth; whoever deletes them lets the rows go.
3. Publish, so that image-data.csv, and the lists of shards, show a tree without the rows.
4. Erase (`erase`), place by place: the journal first, so that whatever is rebuilt meanwhile has no row; snapshots
   before the shards that they name.
5. Search again. What is found now was written meanwhile: run it again.
6. Write the proof, `forgotten/<time>-<id>.json`: no value of an image is in it.

Who else works on the bucket meanwhile:
- An exporter to which the stream delivers an old event again journals it anew, under the name that was deleted; its
  row does not come back, because the removal is remembered for 48 h. So within a day of the last event (`SETTLED`) the
  proof says from when on it is to be run again. A run after that finds everything.
- An exporter that had read an older root may write shards with the row, and lose the swap: likewise.
- A reader of an older root, a slow publish among them, may miss a shard; it begins again with the root of now.
- Somebody who forgets other images: each would write, in one segment's place, what the other takes out, and who ends
  first would not see it. So who erases claims it (`forgetting.json`), for an hour from the last objects on. Who forgets
  the same images takes the claim up: it writes the same.
- A replay or a verification that had listed the journal misses a segment, says so, and is to be started over.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import orjson

from ledger.errors import LedgerError, NotFound, Refused
from ledger.event import time_text
from ledger.keys import FORGETTING_KEY, proof_key
from ledger.ledger import Ledger
from ledger.objects import PAGE_TYPE
from ledger.shard_list import renew_lists
from operations.batches import batched
from operations.errors import Busy, StillThere, UnknownImage
from operations.forget.erase import erase
from operations.forget.findings import Findings
from operations.forget.search import keys_with_row, search
from operations.forget.what_stays import SETTLED, stays
from operations.live.root import publish_and_wait
from operations.progress import Progress, silent

_AT_ONCE = 16  # objects that are rewritten at a time: each may have some megabytes in memory
_CLAIM_HOLDS = timedelta(hours=1)
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What came of it.

    Attributes:
        before: what the first search found, all of which was to be erased.
        after: what the second search found.
        again_after: time (ISO 8601, UTC) from which on it is to be run once more; empty if it need not be.
        proof: what was written as proof.
        key: where.
    """

    before: Findings
    after: Findings
    again_after: str
    proof: dict[str, Any]
    key: str


def still_there(ledger: Ledger, findings: Findings) -> list[str]:
    """Name the images (by ETag, in order) that are not gone yet: an event to come or the CSV may still hold a row.

    Raises:
        Damaged, ManifestLost, Unavailable: the live tree could not be read.
    """
    root, _ = ledger.load_root()
    living = {key for key, life in findings.lives.items() if not life.is_over}
    living.update(keys_with_row(ledger, root, findings.keys))
    return sorted({key.decode().partition(",")[2] for key in living})


def forget(ledger: Ledger, findings: Findings, progress: Progress = silent) -> Forgotten:
    """Erase what a search found, search again, and leave the proof.

    Args:
        ledger: whose bucket.
        findings: of a search just now.
        progress: is told how far it is.

    Raises:
        UnknownImage, StillThere: one of the images is not known, or not gone; nothing was changed.
        Busy: other images are being forgotten.
        LedgerError: as `search`, `erase` and `publish` do; run it again.
    """
    if unknown := sorted(findings.etags - findings.known):
        raise UnknownImage(f"no event is about {_some(unknown)}: skyledger history KEY tells the ETags that a key had")
    _check_gone(ledger, findings)
    tree = ledger.load_root()[0].tree_hash
    publish_and_wait(ledger, progress)
    renew_lists(ledger)
    for place, searched in findings.places.items():
        if place == "shards":
            _check_gone(ledger, findings)  # a restoration may have brought rows back, and these shards are its
        for number, some in enumerate(batched(searched.found, _AT_ONCE)):
            progress(f"erasing from {place}", number * _AT_ONCE, len(searched.found))
            _claim(ledger, findings)
            ledger.store.map(partial(erase, ledger, findings, place), some)
    _release(ledger, findings)
    return _prove(ledger, findings, search(ledger, findings.etags, progress), tree)


def _claim(ledger: Ledger, findings: Findings) -> None:
    """Claim the erasing, or renew the claim; the same images' is taken up."""
    held, body = None, orjson.dumps(sorted(findings.etags))
    with suppress(NotFound):
        held = ledger.store.get(FORGETTING_KEY)
    is_ours = held is None or held.body == body
    if held and not is_ours and held.modified and ledger.objects.now() - held.modified < _CLAIM_HOLDS:
        raise Busy("other images are being forgotten: wait until that has ended, or an hour if it died")
    try:
        ledger.store.put_if_match(FORGETTING_KEY, body, held.etag if held else None, PAGE_TYPE, {})
    except (NotFound, Refused) as error:
        raise Busy("somebody else began to forget images, or ended, at this moment: run it again") from error


def _release(ledger: Ledger, findings: Findings) -> None:
    with suppress(LedgerError):  # it is void after an hour
        held = ledger.store.get(FORGETTING_KEY)
        if held.body == orjson.dumps(sorted(findings.etags)):
            ledger.store.delete_if_match(FORGETTING_KEY, held.etag)


def _check_gone(ledger: Ledger, findings: Findings) -> None:
    if living := still_there(ledger, findings):
        raise StillThere(
            f"not gone yet: {_some(living)}: delete the photos, with all versions, and wait until their rows are gone"
        )


def _some(etags: list[str]) -> str:
    more = f" and {len(etags) - _NAMED} more" if len(etags) > _NAMED else ""
    return ", ".join(etags[:_NAMED]) + more


def _prove(ledger: Ledger, before: Findings, after: Findings, tree: str) -> Forgotten:
    """Write the proof: what was searched, found, done, and what stays where."""
    now = ledger.objects.now()
    newest = max(before.newest_event, after.newest_event)
    settled = datetime.fromisoformat(newest) + SETTLED if newest else now
    again = time_text(settled) if settled > now else ""
    root, _ = ledger.load_root()
    proof = {
        "format": 1,
        "at": time_text(now),
        "etags": sorted(before.etags),
        "lives": [key.decode() for key in before.keys],
        "erased": {name: [listed.key for listed in place.found] for name, place in before.places.items()},
        "searched_again": {name: [place.objects, place.bytes] for name, place in after.places.items()},
        "found_again": {name: [listed.key for listed in place.found] for name, place in after.places.items()},
        "not_searched": after.strangers,
        "tree_before": tree,
        "tree": root.tree_hash,
        "version": root.version,
        "finished": after.is_clean and not again,
        "again_after": again,
        "stays": stays(),
    }
    key = proof_key(f"{time_text(now).replace(':', '')}-{ledger.new_id()[:8]}")
    ledger.store.put_new(key, orjson.dumps(proof, option=orjson.OPT_INDENT_2), PAGE_TYPE)
    return Forgotten(before, after, again, proof, key)
