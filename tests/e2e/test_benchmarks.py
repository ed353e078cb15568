"""The benchmarks of the ledger, each run tiny: their figures are real, and their last line can be read by a program."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType

import pytest

from csv_exporter.handler import logger
from infra.benchmarks import commit, contention, cost, growth, lane, operations, publish, scan
from tests.support.paths import ROOT


@pytest.fixture(autouse=True)
def no_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What ./infra/bench sets for its process holds here for one test: others read the log."""
    monkeypatch.setenv("LOG_LEVEL", "WARNING")
    before = logger.level
    logger.setLevel(logging.WARNING)
    yield
    logger.setLevel(before)


def run(benchmark: ModuleType, arguments: Sequence[str], capfd: pytest.CaptureFixture[str]) -> tuple[str, dict]:
    """Run a benchmark; give what it printed, and its last line."""
    assert benchmark.main(arguments) == 0
    printed = capfd.readouterr().out
    return printed, json.loads(printed.splitlines()[-1])


def test_commit_gives_a_rate_for_each_kind_of_event(capfd):
    _, last = run(commit, ["--rows", "60", "--batches", "1", "--sizes", "20"], capfd)
    assert last.keys() == {"inserts_per_second", "modifies_per_second", "removals_per_second"}
    assert min(last.values()) > 0


def test_what_exporters_commit_together_is_what_was_offered(capfd, monkeypatch):
    """Three streams of 20 events a second are no load: all is committed as it comes, and seen within seconds."""
    monkeypatch.setenv(contention.MEMORY, str(contention.PROCESSOR))
    arguments = ["--exporters", "1", "3", "--rate", "20", "--seconds", "20", "--rows", "1000"]
    printed, last = run(contention, arguments, capfd)
    assert last["events_per_second_3_1e3"] == pytest.approx(60, rel=0.1)
    assert 0 < last["p99_root_age_s_3_1e3"] < last["p99_age_s_3_1e3"] < 5
    lines = [line.split() for line in printed.splitlines()]
    assert [line[1:3] for line in lines if line[0] == "1,000"][:2] == [["1", "yes"], ["3", "yes"]]


def test_old_objects_in_their_lane_do_not_delay_new_ones(capfd):
    """In one queue with them an upload would wait for most of an hour."""
    printed, last = run(lane, ["--seconds", "10", "--rate", "50"], capfd)
    assert 0.1 < last["p95_alone_s"] <= last["p95_with_lane_s"] < 2 * last["p95_alone_s"]
    assert last["p95_one_queue_s"] > 600
    assert last["lane_objects_per_second"] * last["lane_hours"] * 3600 == pytest.approx(1e6, rel=0.02)
    assert [line.split()[-1] for line in printed.splitlines()[-4:-1]] == ["0", "0", "0"], "none was given up"


def test_a_batch_costs_the_same_on_a_table_that_is_ten_times_as_large(capfd):
    """And a table that was built row by row gives the figures of the same one that is computed when it is read."""
    arguments = ["--built", "2000", "--lazy", "2000", "100000", "300000", "--events", "50", "--batches", "1", "--ages"]
    printed, last = run(growth, arguments, capfd)
    assert last["bytes_ratio"] < 1.1
    assert last["requests_ratio"] < 1.1
    assert 0 < last["peak_mb"] < 256
    rows = [line.split() for line in printed.splitlines()[1:-1]]
    counted = {(row[1], row[2]): row[3:6] for row in rows if row[0] == "2,000"}
    assert len(counted) == 6
    for kind in ("new", "last", "anywhere"):
        assert counted["built", kind] == counted["lazy", kind]


def test_the_cost_page_tells_what_was_counted(capfd, tmp_path):
    """One new image is one GET of the photo and one transaction; other prices change the figures in proportion."""
    printed, last = run(cost, ["--rates", "10/s", "--rows", "2000"], capfd)
    assert "| 10/s |" in printed
    assert "Counted: 1.00 GETs and " in printed
    doubled = tmp_path / "prices.json"
    doubled.write_text(json.dumps({name: 2 * price for name, price in cost.PRICES.items()}))
    _, twice = run(cost, ["--rates", "10/s", "--rows", "2000", "--prices", str(doubled)], capfd)
    assert twice["per_million_10_s"] == pytest.approx(2 * last["per_million_10_s"], rel=0.01)
    assert twice["monthly_fixed"] == pytest.approx(2 * last["monthly_fixed"])


def test_the_scanning_predecessor_costs_more_the_larger_the_table_is(capfd):
    """The same batches on both: it moves the whole table and the whole CSV, we do not."""
    printed, last = run(scan, ["--sizes", "40", "400", "--events", "10", "1"], capfd)
    scan_ratios = ("ratio", "least_ratio", "clock_ratio", "cpu_ratio", "bytes_ratio")
    names = {f"{name}_{size}" for name in scan_ratios for size in (40, 400)}
    assert last.keys() == names | {f"{name}_events_1" for name in names}
    assert min(last.values()) > 0
    assert last["bytes_ratio_400"] > last["bytes_ratio_40"]
    assert last["bytes_ratio_400_events_1"] > last["bytes_ratio_40_events_1"]
    assert last["least_ratio_400"] <= min(last["ratio_400"], last["clock_ratio_400"])
    assert [line.split()[0] for line in printed.splitlines() if " scan " in line] == ["39", "40", "399", "400"]


def test_readers_of_a_csv_that_is_published_again_and_again_see_whole_versions(capfd):
    """And of a change only the changed bytes and borders go through the function."""
    printed, last = run(publish, ["--sizes", "20", "--spread", "3", "--again", "2"], capfd)
    assert 0 < last["worst_excess_bytes_per_region"] < last["worst_excess_bytes_both_ways"] <= 20 << 20
    assert last["worst_excess_bytes_per_region"] <= 10 << 20
    assert last["reads"] >= 4
    assert (last["torn"], last["older"], last["broken"]) == (0, 0, 0)
    assert [line.split()[1:3] for line in printed.splitlines() if line.startswith(" 20 ")][:3] == [
        ["one", "new"],
        ["one", "early"],
        ["3", "all"],
    ]


def test_a_small_csv_is_put_whole_by_one_request(capfd):
    """Nothing of it is copied, and nothing of it is read."""
    printed, last = run(publish, ["--sizes", "2", "--spread", "3", "--again", "0"], capfd)
    requests = printed.partition("Requests of the publish\n")[2].splitlines()[1:4]
    assert [line.split()[-5:] for line in requests] == [["1", "0", "0", "0", "0"]] * 3
    assert last["worst_excess_bytes_per_region"] == last["worst_excess_bytes_both_ways"]
    assert (last["torn"], last["older"]) == (0, 0)


def test_a_reader_who_leaves_gets_no_traceback() -> None:
    """`./infra/bench | head`: nobody is there who could read it."""
    reads, writes = os.pipe()
    os.close(reads)
    with open(writes, "wb") as nobody:
        command = [sys.executable, "-m", "infra.benchmarks"]
        ended = subprocess.run(command, cwd=ROOT, stdout=nobody, stderr=subprocess.PIPE, check=False)
    assert (ended.returncode, ended.stderr) == (1, b"")


def test_what_commands_take_is_measured_over_all_their_processes(capfd):
    """A command that fails is named; two processes take more than one; the last line says who takes most.

    Services beside S3 answer: what a stack, its exports and an inventory say agrees with the ledger.
    """
    wanted = ["journal", "snapshot", "backfill", "table", "bucket", "ingest --new", "stream on"]
    arguments = ["--rows", "300", "--processes", "2", "--only", *wanted]
    printed, last = run(operations, arguments, capfd)
    assert (last["failed"], last["worst_command"]) == ([], "verify journal")
    assert last["longest_silence_s"] > 0
    rows = {line.strip().split("  ")[0]: line.split() for line in printed.splitlines()[2:-2]}
    assert {name.rpartition(" --")[0] or name for name in rows} == {
        *("pull, first", "verify journal", "snapshot", "backfill", "verify table", "verify bucket", "ingest"),
        "stream on",
    }
    assert float(rows["verify journal"][3].replace(",", "")) > 1.5 * float(rows["snapshot"][2].replace(",", "")) > 45
