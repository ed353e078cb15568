"""Combining: under contention exporters queue, and one commits for many, instead of all racing for one key.

One key takes about 15 swaps a second, and all exporters touch the tail. So whoever was refused, or met others in the
last seconds, leaves its changes in `pending/<segment>` (create-only) and queues:

1. Wait a jittered moment and read the root. Its `merged` names the segment: a leader took it along, done.
2. Claim to lead on this very root: `leading/<root>`, create-only.
   - Got it: take what waits, oldest first, bounded in bytes (`pending.take`), merge it with the own changes and swap.
     Won: the root's `merged` names all that were taken. Refused: somebody who does not queue was faster; queue again.
   - Exists: somebody leads on this root. Look at the root again in short, jittered intervals until it is another one,
     then 1. If it stays for longer than a leader can take, the leader has died: lead without the claim.
3. A leader goes on: it claims each root that it is about to write, before it stands, and once it has won takes what
   waits by then. The shards at the tail are in its memory, where another leader would have to read them first. After a
   bounded number of commits others may lead.
4. It deletes the waiting objects that it committed, and its claims. What a dead leader left, the next one takes.

A claim is no lock: it saves work and guards nothing. Two leaders are as safe as two exporters, by the swap alone.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from ledger.change import Change
from ledger.errors import Unavailable
from ledger.ledger import Ledger
from ledger.manifest import Root
from ledger.pending import Waiting, encode, list_waiting, take
from ledger.store import Listed

LEADING_PREFIX = "leading/"
# Before the first look at the root: spreads those that were refused by the same swap, so that few claim at once.
FIRST_WAIT_SECONDS = 0.1
# Between two looks at a root that somebody leads on: a leader takes 0.3 to 1 s.
LOOK_SECONDS = 0.1
# Whoever has not swapped after so many looks (4 s) has died, or is so slow that a second leader does no harm.
LEADER_LOOKS = 24
# Commits of one leader in a row: its own batch's successors wait meanwhile.
LEADER_COMMITS = 4
_TEXT = "text/plain; charset=utf-8"


class Queue:
    """One commit's place among those that wait.

    Args:
        ledger: on which.
        own: what this exporter commits; set anew when a tree of other columns is swapped in.
        leads: whether it may stand for others: it does not if nobody would deliver its batch again.
    """

    def __init__(self, ledger: Ledger, own: Waiting, leads: bool) -> None:
        self._ledger, self.own, self._leads = ledger, own, leads
        self._left = False  # whether the changes lie in pending/
        self._claims: list[str] = []
        self._done: list[str] = []  # waiting objects whose changes are committed
        self._led_by_others = ""  # root on which somebody leads
        self._looks = 0  # at that root

    def turn(self, changes: Sequence[Change]) -> tuple[Root, str, list[Waiting] | None]:
        """Wait once, by the steps above; give the root, its ETag, and what to lead if it is this exporter's turn.

        Args:
            changes: those of its own that are not committed yet.

        Raises:
            Unavailable, Unknown, Damaged, ManifestLost, NewerFormat: as for `commit`.
        """
        ledger = self._ledger
        if not self._leads:
            ledger.sleep(2 * LOOK_SECONDS * ledger.chance())
            root, etag = ledger.load_root()
            return root, etag, []
        if self._left:
            ledger.sleep(LOOK_SECONDS * (0.5 + ledger.chance()))
        else:
            waiting = replace(self.own, changes=changes)
            ledger.store.put_new(waiting.key, encode(waiting), _TEXT)
            self._left = True
            ledger.sleep(FIRST_WAIT_SECONDS * ledger.chance())
        root, etag = ledger.load_root()
        if self.own.name in root.merged or root.columns != self.own.columns:
            return root, etag, None
        return root, etag, self._lead(root)

    def claim_next(self, root: Root) -> dict[str, bytes]:
        """Give the claim, by key, to be written before this root, on which this leader will go on, if it may."""
        if not 0 < len(self._claims) < LEADER_COMMITS:
            return {}
        self._claims.append(f"{LEADING_PREFIX}{root.name}")
        return {self._claims[-1]: self.own.name.encode()}

    def go_on(self, committed: Sequence[Waiting], root: Root) -> list[Waiting]:
        """Note what is committed; give what else waits, if this exporter has claimed to lead on this root, too."""
        self._done += [waiting.key for waiting in committed if self._left or waiting is not self.own]
        if f"{LEADING_PREFIX}{root.name}" not in self._claims:
            return []
        return self._take(self._list(), root)

    def leave(self) -> None:
        """Delete what waited and is committed, and the claims."""
        if self._done or self._claims:
            with suppress(Unavailable):  # the next leader merges it again, which changes nothing, and deletes it
                self._ledger.store.delete([*self._done, *self._claims])

    def _list(self) -> list[Listed]:
        return list_waiting(self._ledger.store, self._ledger.objects.now())

    def _take(self, listed: Sequence[Listed], root: Root) -> list[Waiting]:
        return take(self._ledger.store, listed, {self.own.key, *self._done}, root.columns)

    def _lead(self, root: Root) -> list[Waiting] | None:
        """Claim to lead on this root; give what waits, or None if somebody else leads."""
        ledger, claim = self._ledger, f"{LEADING_PREFIX}{root.name}"
        if root.name == self._led_by_others:
            self._looks += 1
            if self._looks < LEADER_LOOKS:
                return None
            listed = self._list()
        elif claim in self._claims:
            listed = self._list()
        else:
            claimed, listed = ledger.together(
                lambda: ledger.store.put_new(claim, self.own.name.encode(), _TEXT), self._list
            )
            if not claimed:
                self._led_by_others, self._looks = root.name, 0
                return None
            self._claims.append(claim)
        return self._take(listed, root)
