"""Combining: under contention exporters queue, and one commits for many, instead of all racing for one key.

One key takes about 15 swaps a second, and all exporters touch the tail. So whoever was refused, or met others in the
last seconds, leaves its changes in `pending/<segment>` (create-only) and queues:

1. Wait a jittered moment and read the root. Its `merged` names the segment: a leader took it along, done.
2. Claim to lead on this very root: `leading/<root>`, create-only.
   - Got it: read what waits, oldest first, bounded in bytes, until nearly as many are there as the last commit merged:
     they were all let go by that commit and come back within a moment, and what is merged at once is written once.
     Batches of one moment cover the same rows: merged one after the other, each would rewrite what the last one wrote.
     Then merge all with the own changes and swap. Won: the root's `merged` names all that were taken. Refused, or the
     root is another by now: somebody who does not queue was faster; queue again.
   - Exists: somebody leads on this root. Look at the root again in short, jittered intervals until it is another one,
     then 1. If it stays for longer than a leader can take, the leader has died: lead without the claim.
3. The leader deletes the waiting objects that it committed, and its claim. What a dead leader left, the next one takes.

Whoever does not queue yet looks for a claim while it writes, and queues if there is one: a batch alone is quicker than
a leader, who would always be refused.

A claim is no lock: it saves work and guards nothing. Two leaders are as safe as two exporters, by the swap alone.
"""

from collections.abc import Sequence
from contextlib import suppress

from ledger.errors import NotFound, Unavailable
from ledger.keys import leading_key
from ledger.ledger import Ledger
from ledger.manifest import Root
from ledger.packing import PACKED_TYPE
from ledger.pending import LedSegments, Waiting, encode, list_waiting
from ledger.store import Listed

# Before the first look at the root: spreads those that were refused by the same swap, so that few claim at once.
FIRST_WAIT_SECONDS = 0.1
# Between two looks at a root that somebody leads on, and of a leader at what waits.
LOOK_SECONDS = 0.1
# Whoever has not swapped after so many looks (4 s) has died, or is so slow that a second leader does no harm.
LEADER_LOOKS = 24
# A leader waits until this part of those that the last commit merged is there again, but not for more looks.
GATHERED = 0.9
GATHER_LOOKS = 6
_TEXT = "text/plain; charset=utf-8"


class Queue:
    """One commit's place among those that wait.

    Args:
        ledger: on which.
        redelivered: whether others may rely on it: not if nobody would deliver its batch again.
    """

    def __init__(self, ledger: Ledger, redelivered: bool) -> None:
        self._ledger, self._redelivered = ledger, redelivered
        self._deposited = False  # whether the changes lie in pending/
        self._claims: list[str] = []
        self._done: list[str] = []  # waiting objects whose changes are committed
        self._led_by_others = ""  # root on which somebody leads
        self._looks = 0  # at that root

    def turn(self, own: Waiting) -> tuple[Root, str, list[Waiting] | None]:
        """Wait once, by the steps above; give the root, its ETag, and what to lead if it is this exporter's turn.

        Args:
            own: what of this exporter's segment is not committed yet.

        Raises:
            Unavailable, Unknown, Damaged, ManifestLost, NewerFormat: as for `commit`.
        """
        ledger = self._ledger
        if not self._redelivered:
            ledger.sleep(2 * LOOK_SECONDS * ledger.chance())
            root, etag = ledger.load_root()
            return root, etag, []
        if self._deposited:
            ledger.sleep(LOOK_SECONDS * (0.5 + ledger.chance()))
        else:
            ledger.store.put_new(own.key, encode(own), PACKED_TYPE)
            self._deposited = True
            ledger.sleep(FIRST_WAIT_SECONDS * ledger.chance())
        root, etag = ledger.load_root()
        is_over = own.name in root.merged or root.columns != own.columns
        if is_over or not self._may_lead(root, own):
            return root, etag, None
        return self._gather(root, own)

    def is_led(self, root: Root) -> bool:
        """Say whether somebody leads on this root; whoever queues knows already, and nobody queues twice for this."""
        if self._deposited or not self._redelivered:
            return False
        try:
            self._ledger.store.head(leading_key(root.name))
        except NotFound:
            return False
        return True

    def committed(self, segments: Sequence[Waiting]) -> None:
        """Note what is committed: the own segment, which lies in `pending/` only if it had to wait, and those led."""
        own, *led = segments
        self._done += [waiting.key for waiting in ([own, *led] if self._deposited else led)]

    def leave(self) -> None:
        """Delete what waited and is committed, and the claims."""
        if self._done or self._claims:
            with suppress(Unavailable):  # the next leader merges it again, which changes nothing, and deletes it
                self._ledger.store.delete([*self._done, *self._claims])

    def _list(self) -> list[Listed]:
        return list_waiting(self._ledger.store, self._ledger.objects.now())

    def _may_lead(self, root: Root, own: Waiting) -> bool:
        """Claim to lead on this root; otherwise say whether whoever did has had his time."""
        if root.name == self._led_by_others:
            self._looks += 1
            return self._looks >= LEADER_LOOKS
        claim = leading_key(root.name)
        if claim in self._claims:
            return True
        if self._ledger.store.put_new(claim, own.name.encode(), _TEXT):
            self._claims.append(claim)
            return True
        self._led_by_others, self._looks = root.name, 0
        return False

    def _gather(self, root: Root, own: Waiting) -> tuple[Root, str, list[Waiting] | None]:
        """Read what waits while others come; give it, or None if the root is another by now."""
        ledger, taken = self._ledger, LedSegments(own.key, root.merged)
        for look in range(GATHER_LOOKS + 1):
            if look:
                ledger.sleep(LOOK_SECONDS)
            (present, etag), listed = ledger.together(ledger.load_root, self._list)
            if present.name != root.name:
                return present, etag, None
            taken.read(ledger.store, listed)
            if taken.is_enough(GATHERED * len(root.segments)):
                break
        return root, etag, taken.of(root.columns)
