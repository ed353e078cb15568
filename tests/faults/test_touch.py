"""An object that is named anew while a collection is about to delete it."""

from datetime import timedelta

import pytest

from infra.doubles.fault_store import Fault, Faults, FaultStore
from infra.doubles.memory_store import MemoryStore
from infra.local.seaweed import SeaweedFS
from ledger.errors import LedgerError, NotFound, Refused, Unavailable
from ledger.objects import YOUNG, Objects
from ledger.store import Store
from tests.support.factories import START
from tests.support.reader import read_body
from tests.support.store_kinds import Kind

KEY, BODY, TYPE = "shards/one.csv", b"a line\n", "text/csv"


@pytest.fixture(params=["memory", "seaweed"])
def any_store(request: pytest.FixtureRequest) -> Store:
    """An empty bucket of each kind."""
    if request.param == "memory":
        return Kind("memory").new()
    seaweed: SeaweedFS = request.getfixturevalue("seaweed")
    return Kind("seaweed", seaweed.client(), seaweed.credentials).new()


def _later(objects: Objects) -> Objects:
    known = objects.now()
    objects.now = lambda: known + YOUNG + timedelta(minutes=1)
    return objects


def test_a_touch_makes_a_deletion_by_the_listed_etag_fail(any_store: Store) -> None:
    """Listed, touched, deleted by the listed ETag: refused, whether the object was put or uploaded in parts before."""
    objects = _later(Objects(any_store))
    objects.put(KEY, BODY, TYPE)
    for _ in range(3):
        (listed,) = any_store.list(KEY)
        objects.put(KEY, BODY, TYPE)
        with pytest.raises(Refused):
            any_store.delete_if_match(KEY, listed.etag)
        assert read_body(any_store, KEY) == BODY
    any_store.delete_if_match(KEY, next(any_store.list(KEY)).etag)
    with pytest.raises(LedgerError):
        any_store.head(KEY)


def test_a_young_object_is_not_touched(any_store: Store) -> None:
    """What was written within the hour stays as it is: no request but the look."""
    objects = Objects(any_store)
    objects.put(KEY, BODY, TYPE)
    before = any_store.head(KEY)
    objects.put(KEY, BODY, TYPE)
    assert any_store.head(KEY) == before


def test_an_object_of_another_length_is_replaced() -> None:
    """Whatever stands under the name of these bytes and is shorter is not left there."""
    store = MemoryStore()
    store.put_new(KEY, BODY[:3], TYPE)
    Objects(store).put(KEY, BODY, TYPE)
    assert read_body(store, KEY) == BODY


@pytest.mark.parametrize("fault", [Fault.PRECONDITION, Fault.MISSING, Fault.ANSWER_LOST, Fault.OVERLOADED])
@pytest.mark.parametrize("verb", ["put_new", "head", "finish_upload"])
def test_whatever_happens_during_a_touch_the_object_is_there_and_young(verb: str, fault: Fault) -> None:
    """After `put` returned, the object exists and is young; if it raised, nothing was promised."""
    clock = [START]
    store = MemoryStore(lambda: clock[0])
    store.put_new(KEY, BODY, TYPE)
    clock[0] += 2 * YOUNG
    probe = Faults()
    Objects(FaultStore(store, probe), now=lambda: clock[0]).put(KEY, BODY, TYPE)
    at = next(call.number for call in probe.calls if call.verb == verb)
    store.delete([KEY])
    store.put_new(KEY, BODY, TYPE)
    clock[0] += 2 * YOUNG
    try:
        Objects(FaultStore(store, Faults(at, fault)), now=lambda: clock[0]).put(KEY, BODY, TYPE)
    except (Unavailable, NotFound):
        return
    assert store.head(KEY).modified == clock[0]
