"""The claim to replace the present CSV: who has it publishes, everybody else leaves; it saves work and guards nothing.

It is `publishing/<root that the present CSV names>`, create-only, and its body is the id of who holds it, and of his
run. Whoever comes with that id takes it up: a batch that is delivered again, and a call that Lambda repeats. But two
runs may have the same id and live, since Lambda may deliver a call twice: so a run that has published takes only what
it has claimed itself; else both would copy each version. A claim is nobody's once it is older than any invocation can
be; then whoever deletes the very claim that he saw (If-Match) and makes it anew has it.
"""

import re
from contextlib import suppress

from ledger.errors import NotFound, Refused, Unavailable, Unknown
from ledger.keys import publishing_key
from ledger.ledger import Ledger
from ledger.limits import INVOCATION_SECONDS
from ledger.store import Stored

_TRIES = 4
_TEXT = "text/plain; charset=utf-8"
_ROOT_NAME = re.compile(r"\d+-[0-9A-Za-z]+", re.ASCII)


def claim_key(present: Stored | None) -> str:
    """Give the key of the claim to replace this CSV: by its root or, if it names none, by its ETag."""
    if present is None:
        return publishing_key("none")
    name = present.metadata.get("root", "")
    return publishing_key(name if _ROOT_NAME.fullmatch(name) else present.etag)


def may_live(claim: Stored, now: float) -> bool:
    """Say whether whoever made this claim may still be at it."""
    return claim.modified is None or now - claim.modified.timestamp() < INVOCATION_SECONDS


class Claim:
    """At most one claim at a time, of one holder.

    Args:
        ledger: whose CSV.
        holder: id of who holds it; who has none only looks.
        run: id of his run; "" if he claims for whom he calls.

    Attributes:
        holder: as given.
        held: key of the claim that is held; "" if none.
        has_published: whether this run has replaced a CSV, or met somebody who had. What has the holder's id from now
            on, and is not of this run, is of another one, which lives.
    """

    def __init__(self, ledger: Ledger, holder: str = "", run: str = "") -> None:
        self.holder, self.held, self.has_published = holder, "", False
        self._ledger, self._body = ledger, f"{holder} {run}".rstrip().encode()

    def take_up(self, key: str) -> None:
        """Hold the claim of this key if it is there and the holder's own."""
        found = self._find(key)
        if found is not None and self._is_own(found):
            self.held = key

    def is_others(self, key: str) -> bool:
        """Say whether somebody else, who may live, has it."""
        found = self._find(key)
        return found is not None and not self._is_own(found) and may_live(found, self._ledger.now())

    def take(self, key: str) -> bool:
        """Hold the claim, and say so; not if somebody else has it who may live."""
        for _ in range(_TRIES):
            if self._ledger.store.put_new(key, self._body, _TEXT):
                self.held = key
                return True
            found = self._find(key)  # "exists" may also be said of a request of our own that was sent twice
            if found is None:
                continue
            if self._is_own(found):
                self.held = key
                return True
            if may_live(found, self._ledger.now()):
                return False
            with suppress(Refused, NotFound, Unknown):
                self._ledger.store.delete_if_match(key, found.etag)
        return False

    def release(self) -> None:
        """Delete the claim that is held, if any.

        Raises:
            Unavailable: it may still be there, and others may leave because of it.
        """
        if self.held:
            self._ledger.store.delete([self.held])
            self.held = ""

    def abandon(self) -> None:
        """Delete the claim that is held, if that is possible: nobody relies on it, or its holder comes again."""
        with suppress(Unavailable):
            self.release()
        self.held = ""

    def _find(self, key: str) -> Stored | None:
        try:
            return self._ledger.store.get(key)
        except NotFound:
            return None

    def _is_own(self, found: Stored) -> bool:
        return found.body == self._body if self.has_published else found.body.split(b" ")[0] == self.holder.encode()
