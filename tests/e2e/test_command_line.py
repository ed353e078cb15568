"""The `skyledger` command as people run it: processes of their own, on a real S3 server, while exporters commit."""

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from infra.local.seaweed import SeaweedFS
from infra.waiting import PATIENCE_SECONDS, until
from ledger.columns import NAMES
from ledger.commit import commit
from ledger.ledger import Ledger
from ledger.manifest import Targets
from ledger.publish import publish
from ledger.s3_store import S3Store
from operations.rebuild.scratch import FolderScratch
from operations.replay.local import Wishes, replay
from tests.support.factories import insert, item, make_ledger, model_csv, modify
from tests.support.histories import History, batches, history
from tests.support.paths import ROOT


@dataclass
class Deployed:
    """A bucket, and the command that works on it."""

    server: SeaweedFS
    bucket: str
    home: Path

    def store(self) -> S3Store:
        """Open the bucket."""
        return S3Store(self.bucket, **self.server.credentials)

    def ledger(self, seed: int = 1) -> Ledger:
        """Open a ledger as an exporter has it."""
        return make_ledger(self.store(), seed, Targets(20_000, 20))  # type: ignore[arg-type]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command in a process group of its own."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT / "functions"),
            "AWS_ACCESS_KEY_ID": self.server.access_key,
            "AWS_SECRET_ACCESS_KEY": self.server.secret_key,
            "SKYLEDGER_BUCKET": self.bucket,
            "XDG_CACHE_HOME": str(self.home),
        }
        where = ("--endpoint-url", self.server.endpoint_url, "--region", "us-east-1")
        return subprocess.Popen(
            [sys.executable, "-m", "operations.cli.main", *arguments, *where],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def kept(self) -> int:
        """Count the files in which a command keeps how far it is."""
        return sum(len(files) for _, _, files in os.walk(self.home))  # also while folders come and go

    def run(self, *arguments: str) -> Any:
        """Run the command and read its JSON."""
        process = self.start(*arguments, "--json")
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0, err
        return json.loads(out)

    def csv(self) -> bytes:
        """Read image-data.csv."""
        stored = self.store().get("image-data.csv")
        return stored.body


@pytest.fixture
def deployed(seaweed: SeaweedFS, request: pytest.FixtureRequest, tmp_path: Path) -> Deployed:
    """An empty bucket."""
    bucket = f"b{abs(hash(request.node.name)) % 10**12}"
    seaweed.client().create_bucket(Bucket=bucket)
    return Deployed(seaweed, bucket, tmp_path / "home")


def _load(deployed: Deployed, made: History, count: int) -> None:
    ledger = deployed.ledger()
    for batch in batches(1, made.events[:count], size=200):
        commit(ledger, batch)
    publish(ledger)


def test_a_swap_by_two_processes_while_an_exporter_commits_loses_nothing(deployed: Deployed) -> None:
    """The command rebuilds with other targets beside a running exporter, and every batch is there in the end."""
    made = history(1, 3000, seconds=2)
    _load(deployed, made, 2000)
    stop = threading.Event()
    errors: list[BaseException] = []

    def export() -> None:
        try:
            exporter = deployed.ledger(2)
            for number, batch in enumerate(batches(2, made.events[2000:], size=10)):
                commit(exporter, batch)
                publish(exporter)
                if number:
                    stop.wait(0.05)
                else:  # the others come after the replay's plan, which has to catch up with them
                    until(lambda: deployed.kept() or stop.is_set(), "plan of the replay", every=0.005)
        except BaseException as error:
            errors.append(error)

    exporter = threading.Thread(target=export)
    exporter.start()
    told = deployed.run("replay", "--swap", "--shard-bytes", "9000", "--processes", "2")
    stop.set()
    exporter.join()
    assert errors == []
    assert deployed.ledger(3).load_root()[0].targets.shard_bytes == 9000
    assert deployed.csv() == model_csv(made.items.values())
    assert told["caught_up"] > 0
    assert deployed.run("verify", "--processes", "2")["good"]


def _is_further(deployed: Deployed, done: int, process: subprocess.Popen[str]) -> bool:
    return deployed.kept() > done or process.poll() is not None


def test_a_killed_replay_is_gone_on_with(deployed: Deployed) -> None:
    """SIGKILL up to three times, each a step further; the next run ends with the live tree, and none of them swapped.

    Whoever kills may come too late for the last ones, where the machine has much else to do.
    """
    made = history(2, 1500)
    _load(deployed, made, len(made.events))
    version = deployed.ledger().load_root()[0].version
    killed = 0
    for _ in range(3):
        done = deployed.kept()
        process = deployed.start("replay", "--dry-run", "--processes", "2")
        until(partial(_is_further, deployed, done, process), "further step of the replay", every=0.005)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
        assert process.returncode in (-signal.SIGKILL, 0)
    assert killed
    told = deployed.run("replay", "--dry-run", "--processes", "2")
    assert told["same"]
    assert deployed.ledger().load_root()[0].version == version


def test_a_replay_over_processes_is_the_replay_in_one(deployed: Deployed, tmp_path: Path) -> None:
    """The same root, whoever did which part."""
    made = history(3, 1500)
    _load(deployed, made, len(made.events))
    arguments = {
        "endpoint_url": deployed.server.endpoint_url,
        "aws_access_key_id": deployed.server.access_key,
        "aws_secret_access_key": deployed.server.secret_key,
        "region_name": "us-east-1",
    }
    one = replay(deployed.ledger(), FolderScratch(tmp_path / "one"), Wishes(columns=NAMES[:9]))
    two = replay(
        deployed.ledger(),
        FolderScratch(tmp_path / "two"),
        Wishes(columns=NAMES[:9], keep="nothing"),
        open_store=partial(S3Store, deployed.bucket, **arguments),
        processes=2,
    )
    assert one.root.rows == two.root.rows
    assert one.root.removals == two.root.removals


def test_a_day_of_an_operator(deployed: Deployed, tmp_path: Path) -> None:
    """Status, pull, one change, pull again, snapshot, a bad change, restore, undo."""
    ledger = deployed.ledger()
    commit(ledger, [insert(number) for number in range(2000)])
    publish(ledger)
    status = deployed.run("status")
    assert (status["rows"], status["published"], status["todo"]) == (2000, True, [])
    first = deployed.run("pull", str(tmp_path / "copy"), "--format", "parquet")
    commit(ledger, [modify(1000, 2, sequence=10**6 + 1, title={"S": "bridge"})])
    publish(ledger)
    second = deployed.run("pull", str(tmp_path / "copy"), "--format", "parquet")
    assert second["fetched_bytes"] < first["fetched_bytes"] / 5
    assert (tmp_path / "copy" / "image-data.csv").read_bytes() == deployed.csv()
    deployed.run("snapshot", "monday")
    commit(ledger, [modify(1000, 3, sequence=10**6 + 2, title={"S": "a mistake"})])
    publish(ledger)
    restored = deployed.run("restore", "monday", "--yes")
    items = [item(number) for number in range(2000) if number != 1000]
    assert deployed.csv() == model_csv([*items, item(1000, 2, title={"S": "bridge"})])
    deployed.run("restore", "--undo", "--yes")
    assert deployed.csv() == model_csv([*items, item(1000, 3, title={"S": "a mistake"})])
    assert restored["undo"].startswith("before-restore-")
    steps = deployed.run("history", "site/1000.jpg")["steps"]
    assert [step["revision"] for step in steps] == ["1", "2", "3"]
    assert deployed.run("verify", "--processes", "2")["good"]


def test_a_bucket_that_is_not_there_is_one_clear_line(deployed: Deployed) -> None:
    """Exit code 4, no traceback."""
    process = deployed.start("status", "--bucket", "no-such-bucket-here")
    _, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 4
    assert err.count("\n") == 1
    assert "NoSuchBucket" in err
