"""The `skyledger` command: results for people and programs, exit codes, one clear line for an error."""

import fcntl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from ledger.errors import Unavailable
from ledger.journal import dates
from ledger.ledger import Ledger
from ledger.publish import publish
from operations.cli import deployment
from tests.support.command_line import Ran
from tests.support.factories import event, item, model_csv
from tests.support.reader import read_csv, read_root

Run = Callable[..., Ran]
ONE = ("--processes", "1")


@pytest.fixture
def filled(ledger: Ledger) -> Ledger:
    """Two images, and a removed third."""
    commit(ledger, [event("INSERT", item(n), sequence=n, seconds=n) for n in (1, 2, 3)])
    commit(ledger, [event("REMOVE", old=item(3), sequence=9, seconds=60)])
    publish(ledger)
    return ledger


def test_status_tells_people_and_programs(skyledger: Run, filled: Ledger, store: MemoryStore) -> None:
    """The same facts in both ways; with --json standard output holds one object and nothing else."""
    told = skyledger("status", "--json").json
    assert (told["rows"], told["published"], told["tree"]) == (2, True, read_root(store).tree_hash)
    text = skyledger("status")
    assert text.code == 0
    assert told["tree"] in text.out


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


def test_restore_to_a_time_and_back(skyledger: Run, filled: Ledger, store: MemoryStore) -> None:
    """Times without an offset are UTC; what was replaced is pinned under the name that is told."""
    told = skyledger("restore", "--to", "2026-11-25T08:00:30", "--json", *ONE).json
    assert told["rows"] == 3
    assert read_csv(store) == model_csv([item(1), item(2), item(3)])
    assert told["undo"] == f"before-restore-{told['version'] - 1}"
    again = skyledger("restore", "--undo")
    assert f"version {told['version'] + 1}: 2 rows" in again.out
    assert read_csv(store) == model_csv([item(1), item(2)])


def test_verify_exits_with_one_when_something_differs(skyledger: Run, filled: Ledger, store: MemoryStore) -> None:
    """Good is 0, different is 1, and every difference is told with its etag."""
    good = skyledger("verify", *ONE)
    assert good.code == 0
    assert [line.split(":")[0] for line in good.out.splitlines()] == ["tree", "csv", "journal"]
    stored, kind = store.objects["image-data.csv"]
    body = stored.body.replace(b"site/1.jpg", b"site/x.jpg")
    store.objects["image-data.csv"] = (type(stored)(body, "0-1", stored.metadata, len(body)), kind)
    bad = skyledger("verify", "csv", "--json")
    assert bad.code == 1
    assert bad.json["csv"]["differences"] == [
        {
            "etag": f"{1:032x}",
            "ingested_at": "2026-11-25T08:00:00.001000Z",
            "tree": {"key": "site/1.jpg"},
            "csv": {"key": "site/x.jpg"},
        }
    ]
    assert f"{1:032x}  tree: key=site/1.jpg  csv: key=site/x.jpg" in skyledger("verify", "csv").out


def test_snapshot_pins_lists_and_removes(skyledger: Run, filled: Ledger) -> None:
    """One command for the three."""
    assert "monday: version 2, 2 rows" in skyledger("snapshot", "monday").out
    assert [one["name"] for one in skyledger("snapshot", "--json").json["snapshots"]] == ["monday"]
    assert skyledger("snapshot", "monday", "--remove").code == 0
    assert skyledger("snapshot", "--json").json == {"snapshots": []}


def test_history_tells_an_image(skyledger: Run, filled: Ledger) -> None:
    """Line by line, and whether it is in the CSV now."""
    told = skyledger("history", "site/3.jpg")
    assert [line.split()[1] for line in told.out.splitlines()[:2]] == ["INSERT", "REMOVE"]
    assert "not in the CSV now" in told.out
    assert skyledger("history", f"{1:032x}", "--json").json["rows"][0]["key"] == "site/1.jpg"
    commit(
        filled, [event("MODIFY", item(1, 2), item(1), sequence=10**24, seconds=90)]
    )  # real ones have 21 digits and more
    assert skyledger("history", "site/1.jpg", "--json").json["steps"][1]["order"][1] == 10**24


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (("restore", "none"), 2, "there is no snapshot none"),
        (("restore",), 2, "say a snapshot, --to TIME, or --undo"),
        (("restore", "--to", "yesterday"), 2, "write it as 2026-11-24T14:00:00Z"),
        (("snapshot", "a/b"), 2, "is no name"),
        (("restore", "--undo"), 2, "there is nothing to undo"),
        (("replay", "--dry-run", "--swap"), 2, "--dry-run writes nothing"),
    ],
)
def test_wrong_use_exits_with_two(
    arguments: tuple[str, ...], code: int, line: str, skyledger: Run, filled: Ledger
) -> None:
    """And says in one line what is wrong."""
    ran = skyledger(*arguments)
    assert ran.code == code
    assert line in ran.err


def test_a_ledger_that_needs_an_operator_exits_with_three(skyledger: Run, filled: Ledger, store: MemoryStore) -> None:
    """The line names the repair, and the repair works."""
    store.delete(["manifest.json"])
    ran = skyledger("status")
    assert ran.code == 3
    assert ran.err.count("\n") == 1
    assert "manifest.json is missing" in ran.err
    assert "skyledger replay --swap" in ran.err
    assert skyledger("status", "--json").json["error"] == "ManifestLost"
    assert skyledger("replay", "--swap", *ONE).code == 0
    assert skyledger("status", "--json").json["rows"] == 2


def test_a_store_that_does_not_answer_exits_with_four(
    skyledger: Run, filled: Ledger, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credentials, network, S3 itself: one line, no traceback."""

    def get(key: str, **more: Any) -> None:
        raise Unavailable(f"{key}: AccessDenied")

    monkeypatch.setattr(store, "get", get)
    ran = skyledger("status")
    assert (ran.code, ran.err.strip()) == (4, "skyledger: manifest.json: AccessDenied")


def test_without_bucket_and_stack_it_says_how_to_name_them(skyledger: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is guessed."""
    monkeypatch.delenv("SKYLEDGER_BUCKET")
    ran = skyledger("status")
    assert ran.code == 2
    assert "--stack NAME, or --bucket NAME" in ran.err


def test_the_stack_knows_the_bucket_and_the_queues(
    skyledger: Run, filled: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --stack, bucket, dead letters and stream come from the outputs, and status tells of all of them."""

    class Client:
        def __init__(self, service: str) -> None:
            self.service = service

        def describe_stacks(self, StackName: str) -> Any:  # noqa: N803
            outputs = {"ExportBucketName": "b", "ImageDeadLettersUrl": "q", "StreamMappingId": "m"}
            return {"Stacks": [{"Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in outputs.items()]}]}

        def get_queue_attributes(self, **_: Any) -> Any:
            return {"Attributes": {"ApproximateNumberOfMessages": "3"}}

        def get_event_source_mapping(self, **_: Any) -> Any:
            return {"State": "Disabled"}

    monkeypatch.setattr(deployment.boto3, "client", lambda service, **_: Client(service))
    monkeypatch.delenv("SKYLEDGER_BUCKET")
    told = skyledger("status", "--stack", "sky", "--json").json
    assert (told["dead_letters"], told["stream"]) == (3, "Disabled")
    assert len(told["todo"]) == 2


def test_two_commands_do_not_work_in_one_folder(skyledger: Run, filled: Ledger, tmp_path: Path) -> None:
    """The second one says so instead of deleting what the first one needs."""
    folder = tmp_path / "work"
    with (tmp_path / "work.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ran = skyledger("replay", "--work", str(folder), *ONE)
        assert (ran.code, "another skyledger works in" in ran.err) == (5, True)
    assert skyledger("replay", "--work", str(folder), *ONE).code == 0


def test_an_interrupted_command_exits_with_130(
    skyledger: Run, filled: Ledger, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C is no error to be explained."""

    def head(key: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "head", head)
    ran = skyledger("status")
    assert (ran.code, ran.err.strip()) == (130, "interrupted")


def test_every_command_has_the_shared_options(skyledger: Run) -> None:
    """Each says where to work and can print JSON; exit codes are in the help."""
    help_text = skyledger("--help").out
    assert "Exit codes" in help_text
    for name in (
        "status",
        "replay",
        "verify",
        "history",
        "snapshot",
        "restore",
        "pull",
        "backfill",
        "collect",
        "redrive",
        "stream",
        "ddl",
    ):
        text = skyledger(name, "--help").out
        for option in ("--json", "--profile", "--region", "--endpoint-url", "--bucket", "--stack"):
            assert option in text, (name, option)


def test_the_cache_is_this_users_and_left_clean(skyledger: Run, filled: Ledger, tmp_path: Path) -> None:
    """Scratch lies in the user's cache, by bucket, and is gone after a finished command."""
    skyledger("replay", *ONE)
    skyledger("verify", "journal", *ONE)
    assert {path.suffix for path in (tmp_path / "cache").rglob("*") if path.is_file()} == {".lock"}
    assert list(dates(filled.store)) == ["date=2026-11-25"]
