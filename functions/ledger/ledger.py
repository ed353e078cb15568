"""A ledger: one export bucket and all that a running function needs to work on it."""

import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import TypeVar, overload

from ledger.errors import Damaged, ManifestLost, NoLedger, NotFound, Refused, RootDamaged
from ledger.keys import CSV_KEY, ROOT_COPIES, ROOT_KEY, SHARDS, is_of_a_ledger, root_copy_key, traces
from ledger.manifest import Root, Targets, decode_root, encode_root
from ledger.objects import PAGE_TYPE, Objects
from ledger.store import Store, Stored

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
TimeLeft = Callable[[], float | None]

# Roots in memory by name: the CSV's own root is nearly always one of the last that this function read or wrote.
ROOTS_KEPT = 8
# Keys that are looked at in each folder where a ledger leaves traces: one page of a listing.
_LOOKED_AT = 1000
# Whoever met others so lately queues at once: its swap would be refused, or make that of a leader be refused.
CONTENDED_SECONDS = 10.0


def no_limit() -> None:
    """Say that time is not limited: None, which is not the same as 0 seconds."""


@dataclass(slots=True)
class Ledger:
    """The store with its cache, and the sources of ids, waiting and chance (which tests replace).

    Attributes:
        store: the export bucket.
        objects: its shards and pages, cached.
        makes_first_root: whether a bucket without a ledger gets one. True where the bucket is one's own: for the
            deployment, and for the exporter. Whoever else was given a bucket's name may have been given a wrong one.
        largest_copy: bytes of image-data.csv that S3 is asked to copy at once, at most; None: as many as are cheapest.
        targets: where the trees of a new, empty ledger are cut; an existing one keeps its own.
        new_id: gives an id that nobody else has.
        sleep: waits, in seconds.
        chance: gives numbers from 0 up to 1, for jitter.
        monotonic: a clock in seconds.
        now: the time, in seconds since 1970.
    """

    store: Store
    objects: Objects = field(init=False)
    makes_first_root: bool = False
    largest_copy: int | None = None
    targets: Targets = field(default_factory=Targets)
    new_id: Callable[[], str] = lambda: secrets.token_hex(8)
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random
    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    _root: tuple[str, Root] | None = None
    _copies: dict[str, Root] = field(default_factory=dict)
    _contended_until: float = float("-inf")

    def __post_init__(self) -> None:
        self.objects = Objects(self.store, now=lambda: datetime.fromtimestamp(self.now(), UTC))

    def load_root(self) -> tuple[Root, str]:
        """Read the root and its ETag; one's own bucket that has no ledger yet gets an empty one.

        Raises:
            NoLedger: there is none, and the bucket is not one's own.
            ManifestLost: there is no root although there is what only a ledger with a root leaves.
            RootDamaged, NewerFormat: the root is not readable by this code.
            Unavailable, Unknown: the store did not answer.
        """
        if found := self.find_root():
            return found
        if not self.makes_first_root:
            raise NoLedger(f"there is no ledger in the bucket: no {ROOT_KEY}, and nothing else of one")
        return self._first_root()

    def find_root(self) -> tuple[Root, str] | None:
        """Read the root and its ETag; None if the bucket has no ledger. Raises as `load_root`."""
        known = self._root
        try:
            stored = self.store.get_if_changed(ROOT_KEY, known[0]) if known else self.store.get(ROOT_KEY)
        except NotFound:
            return self._root_beside_data()
        if stored is None:
            assert known is not None
            return known[1], known[0]
        try:
            root = _decode(stored)
        except RootDamaged:
            if self.makes_first_root or self._trace() is not None:
                raise
            return None  # many web sites have a manifest.json, too
        self.remember_root(root, stored.etag)
        return root, stored.etag

    @overload
    def together(self, first: Callable[[], A], second: Callable[[], B], /) -> tuple[A, B]: ...
    @overload
    def together(
        self, first: Callable[[], A], second: Callable[[], B], third: Callable[[], C], /
    ) -> tuple[A, B, C]: ...
    def together(self, *calls: Callable[[], object]) -> tuple[object, ...]:
        """Do two or three things at the same time."""
        return tuple(self.store.map(lambda call: call(), calls))

    def remember_root(self, root: Root, etag: str) -> None:
        """Take a root that was just read or written as known."""
        self._root = (etag, root)
        self._copies[root.name] = root
        if len(self._copies) > ROOTS_KEPT:
            del self._copies[next(iter(self._copies))]

    def present_csv(self) -> Stored | None:
        """Read all but the bytes of image-data.csv; None if there is none. Raises as `present`."""
        return self.present(CSV_KEY)

    def present(self, key: str) -> Stored | None:
        """Read all but the bytes of an object; None if there is none.

        Raises:
            Unavailable: the store did not answer.
        """
        try:
            return self.store.head(key)
        except NotFound:
            return None

    @property
    def contended(self) -> bool:
        """Whether this function met others at the root in the last seconds."""
        return self.monotonic() < self._contended_until

    def met_others(self) -> None:
        """Note that other functions commit, too."""
        self._contended_until = self.monotonic() + CONTENDED_SECONDS

    def load_copy(self, name: str) -> Root:
        """Read the immutable copy of a root, named `<version>-<commit_id>`; the last ones are remembered.

        Raises:
            NotFound: it is not kept any longer.
            Damaged: it is not that root.
        """
        if name in self._copies:
            return self._copies[name]
        stored = self.store.get(root_copy_key(name))
        root = decode_root(stored.body, root_copy_key(name))
        if root.name != name:
            raise Damaged(f"{root_copy_key(name)} is the root {root.name}")
        return root

    def _root_beside_data(self) -> tuple[Root, str] | None:
        """Read a root that is missing once more if the bucket holds what only a ledger with a root can hold."""
        if self.makes_first_root:  # in doubt nothing is begun; a first commit journals while the root is made
            listed = (next(self.store.list(prefix), None) for prefix in (SHARDS, ROOT_COPIES))
            key = next((found.key for found in listed if found), None)
        else:
            key = self._trace()
        return None if key is None else self._root_beside(key)

    def _trace(self) -> str | None:
        """Find an object whose key only a ledger writes; anybody's bucket may have folders of these names."""
        for prefix in traces():
            for listed in islice(self.store.list(prefix), _LOOKED_AT):
                if is_of_a_ledger(listed.key):
                    return listed.key
        return None

    def _first_root(self) -> tuple[Root, str]:
        root = Root(commit_id=self.new_id(), targets=self.targets)
        try:
            etag = self.store.put_if_match(ROOT_KEY, encode_root(root), None, PAGE_TYPE, {})
        except Refused:
            return self.load_root()  # somebody else was first
        self.remember_root(root, etag)
        return root, etag

    def _root_beside(self, key: str) -> tuple[Root, str]:
        """Read the root once more: whoever wrote `key` since it was missing made the root before."""
        try:
            stored = self.store.get(ROOT_KEY)
        except NotFound as error:
            raise ManifestLost(f"{ROOT_KEY} is missing although {key} exists") from error
        root = _decode(stored)
        self.remember_root(root, stored.etag)
        return root, stored.etag


def _decode(stored: Stored) -> Root:
    if not stored.body.strip():
        raise RootDamaged(f"{ROOT_KEY} is empty")
    try:
        return decode_root(stored.body)
    except Damaged as error:
        raise RootDamaged(str(error)) from error
