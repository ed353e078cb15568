"""`skyledger replay` compares, pins and swaps in, here or on Step Functions."""

import json
from collections.abc import Callable

from infra.doubles.memory_store import MemoryStore
from ledger.ledger import Ledger
from tests.support.aws_services import Services
from tests.support.command_line import Ran
from tests.support.factories import item, model_csv
from tests.support.reader import read_csv, read_root

Run = Callable[..., Ran]
ONE = ("--processes", "1")


def test_replay_compares_pins_and_swaps(skyledger: Run, filled: Ledger, store: MemoryStore) -> None:
    """Plain: compares. --snapshot: pins. --swap with the current columns: the CSV has them."""
    plain = skyledger("replay", "--json", *ONE)
    assert (plain.code, plain.json["same"], plain.json["events"]) == (0, True, 4)
    before = {key for key in store.objects if not key.startswith("snapshots/")}
    assert skyledger("replay", "--snapshot", "proof", "--json", *ONE).json["snapshot"] == "proof"
    assert {key for key in store.objects if not key.startswith("snapshots/")} == before
    swapped = skyledger("replay", "--swap", "--shard-bytes", "500", "--json", *ONE).json
    assert swapped["version"] == read_root(store).version == 3
    assert read_root(store).targets.shard_bytes == 500
    assert read_csv(store) == model_csv([item(1), item(2)])


def test_a_replay_runs_on_step_functions_with_the_same_wishes(skyledger: Run, services: Services) -> None:
    """It waits, shows how far the maps are, and prints what the last step says."""
    ran = skyledger(
        "replay", "--distributed", "--stack", "sky", "--until", "2026-11-25T09:00", "--columns", "current", "--json"
    )
    assert ran.json == {"tree": "abc", "same": True}
    (started,) = services.started
    assert started["stateMachineArn"] == "machine"
    assert json.loads(started["input"]) == {
        "until": "2026-11-25T09:00:00Z",
        "columns": "current",
        "swap": False,
        "snapshot": "",
        "shard_bytes": 0,
        "page_shards": 0,
    }
    assert "3/7" in ran.err
    services.statuses = ["FAILED"]
    failed = skyledger("replay", "--distributed", "--swap", "--stack", "sky")
    assert failed.code == 5
    assert "the execution ended as FAILED: X why" in failed.err
