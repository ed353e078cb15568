"""Two queues at one pair of tables: what is done of each, and what they take from each other."""

from math import inf

from infra.doubles.image_queue import Deployment
from infra.doubles.lanes import EVENT_SECONDS, HEAD_SECONDS, READ_SECONDS, Lanes, Load

FEW = Deployment(invocations=2, batch=2)
ONE = Deployment(invocations=1, batch=2)


def test_old_objects_in_their_lane_leave_the_uploads_alone() -> None:
    """And in the uploads' own queue they go first, all of them."""
    alone = Lanes(Load(rate=4, seconds=5, old=0), FEW, ONE).run()
    beside = Lanes(Load(rate=4, seconds=5, old=100), FEW, ONE).run()
    before = Lanes(Load(rate=4, seconds=5, old=100), FEW, None).run()
    assert READ_SECONDS + EVENT_SECONDS <= min(alone.waits) <= max(alone.waits[:-2]) < 1
    assert beside.waits[:-2] == alone.waits[:-2]
    assert 2 < max(before.waits[:4]) < inf
    assert len(before.old_done) == 100 > len(beside.old_done) >= 50
    assert before.transactions > 100
    assert (alone.dead, beside.dead, before.dead) == (0, 0, 0)


def test_an_account_that_has_no_concurrency_left_makes_both_wait() -> None:
    """One invocation at a time: they take turns, so an upload waits for a batch of old objects, and no longer."""
    load = Load(rate=4, seconds=5, old=100)
    apart, together = Lanes(load, FEW, ONE).run(), Lanes(load, FEW, ONE, account=1).run()
    assert sum(apart.waits[:15]) + HEAD_SECONDS < sum(together.waits[:15]) < 2 * sum(apart.waits[:15])
    assert 0 < len(together.old_done) < len(apart.old_done)
