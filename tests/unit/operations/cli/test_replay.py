"""`skyledger replay` compares, pins and swaps in, here or on Step Functions."""

import json
from collections.abc import Callable

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger import cells
from ledger.commit import commit
from ledger.ledger import Ledger
from ledger.publish import publish
from operations.cli import deployment
from operations.progress import silent
from operations.state_machine import run_state_machine
from operations.verify import ledger as verify_ledger
from tests.support.aws_services import Services
from tests.support.command_line import Ran
from tests.support.factories import event, insert, item, make_ledger, model_csv
from tests.support.reader import read_csv, read_root
from tests.support.store_calls import WatchedStore, first

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
    assert "undo" not in swapped
    store.delete(["manifest.json"])
    assert skyledger("replay", "--swap", "--page-shards", "7", "--json", *ONE).json["version"] == 4
    assert read_root(store).targets.page_shards == 7


def test_a_replay_tells_what_came_of_it(skyledger: Run, filled: Ledger, store: MemoryStore) -> None:
    """Whether the journal gives the live tree; what is live after a swap that had to catch up, and how to undo it."""
    back = skyledger("replay", "--until", "2026-11-25T08:00:30", "--json", *ONE).json
    assert (back["rows"], "same" in back, "live_tree" in back) == (3, False, False)
    watched, exporter = WatchedStore(store), make_ledger(store, 2)
    watched.on("put_if_match", "manifest.json", first(lambda: commit(exporter, [insert(4)])))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deployment, "open_bucket", lambda bucket, arguments: watched)
        swapped = skyledger("replay", "--until", "2026-11-25T08:00:30", "--swap", "--yes", "--json", *ONE).json
    root = read_root(store)
    assert (swapped["caught_up"], swapped["tree"], swapped["version"]) == (1, root.tree_hash, root.version)
    assert (swapped["rows"], root.rows.rows) == (3, 4)
    assert f"snapshots/{swapped['undo']}.json" in store.objects
    differs = skyledger("replay", "--json", *ONE).json
    assert (differs["same"], differs["live_tree"], differs["rows"]) == (False, root.tree_hash, 3)


def test_rows_written_by_an_older_rule_are_told_and_written_anew(
    skyledger: Run, ledger: Ledger, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new rule for the guard leaves rows as they are until they change: verify shows them, a replay renews all."""
    monkeypatch.setattr(verify_ledger, "ROUND_SECONDS", 0.0)
    first, second = item(1, title={"S": "x;=1+1"}), item(2, title={"S": "=2"})
    with monkeypatch.context() as before:
        before.setattr(cells, "guard", lambda text: "'" + text if text.startswith("=") else text)
        commit(ledger, [event("INSERT", first, sequence=1), event("INSERT", second, sequence=2)])
        publish(ledger)
    (told,) = skyledger("verify", "journal", "--json", *ONE).json["journal"]["differences"]
    assert sorted(side["title"] for side in told.values() if isinstance(side, dict)) == ["x;'=1+1", "x;=1+1"]
    assert skyledger("replay", "--swap", *ONE).code == 0
    assert skyledger("verify", "tree", "csv", "journal", *ONE).code == 0
    assert read_csv(store) == model_csv([first, second])


def test_a_replay_runs_on_step_functions_with_the_same_wishes(
    skyledger: Run, filled: Ledger, services: Services
) -> None:
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
    for status in ("FAILED", "TIMED_OUT", "ABORTED"):
        services.statuses = ["RUNNING", status]
        failed = skyledger("replay", "--distributed", "--swap", "--stack", "sky")
        assert failed.code == 5
        assert f"the execution ended as {status}: X why" in failed.err


def test_an_execution_is_looked_at_every_five_seconds() -> None:
    """Not without a pause: Step Functions throttles."""
    services, waits = Services(), list[float]()
    services.statuses = ["RUNNING", "RUNNING", "SUCCEEDED"]
    assert run_state_machine(services, "machine", {}, silent, lambda line: None, waits.append)["same"]
    assert waits == [5.0, 5.0]


def test_a_map_that_runs_in_rounds_is_shown_as_one() -> None:
    """Its children are added up."""
    services, shown = Services(), list[tuple[str, int, int]]()
    services.statuses = ["SUCCEEDED"]
    services.list_map_runs = lambda **_: {"mapRuns": [{"mapRunArn": f"arn:mapRun:m/Compare:{n}"} for n in (1, 2)]}  # type: ignore[method-assign]
    run_state_machine(services, "machine", {}, lambda *told: shown.append(told), lambda line: None)
    assert shown == [("compare on AWS", 6, 14)]
