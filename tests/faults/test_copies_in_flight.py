"""How many copies of the CSV are in flight while exporters commit, in a simulation whose S3 copies slowly."""

from dataclasses import replace

import pytest

from infra.doubles.exporters import Exporters, Traffic
from infra.doubles.simulated_store import Network

# All streams set in at once: so their batches begin with the same sequence number, and meet at the same claim.
TRAFFIC = Traffic(exporters=4, rate=60.0, seconds=8.0, rows=20_000, ramp=0.0)
SLOW = Network(copy_rate=3e6)  # a copy takes two seconds, so that commits come meanwhile


@pytest.mark.parametrize("chance", [1, 2])
@pytest.mark.parametrize("delivered", [1, 2])
def test_one_copy_is_in_flight_and_one_more_when_a_call_is_delivered_twice(delivered: int, chance: int) -> None:
    """Of two runs of one call one goes on: else both would copy each version, for as long as commits come."""
    exporters = Exporters(replace(TRAFFIC, seed=chance), SLOW)
    call, calls = exporters.publishers.call, []

    def deliver(claim: str, holder: str) -> None:
        calls.append(claim)
        for _ in range(delivered):
            call(claim, holder)

    exporters.publishers.call = deliver  # type: ignore[method-assign]
    outcome = exporters.run()
    published, begun = len(outcome.published), outcome.calls["start_upload image-data.csv"]
    assert all(batch.seen is not None for batch in outcome.batches)
    assert published >= len(calls) + 2, "a publisher goes on while commits come"
    assert begun - published <= (delivered - 1) * len(calls)
