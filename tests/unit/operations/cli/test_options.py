"""Options: those that all commands share, and that each comes to where it is heeded."""

import importlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any
from unittest.mock import ANY

import pytest
import typer

from ledger.columns import NAMES
from ledger.ledger import Ledger
from ledger.manifest import Targets
from ledger.s3_store import S3Store
from operations.bucket.check import Lane
from operations.bucket.gather import Wanted
from operations.bucket.ingest import IngestWishes
from operations.bucket.recheck import Looker
from operations.cli import deployment, verify
from operations.cli.deployment import Deployment, make_deployment, open_bucket
from operations.cli.main import COMMANDS
from operations.cli.output import Bars
from operations.cli.version import own_version
from operations.page.photos import PhotoReader
from operations.replay.adopt import Purpose
from operations.replay.local import Wishes
from operations.table_export.take import ExportRequest
from tests.support.aws_services import Services
from tests.support.command_line import Ran

Run = Callable[..., Ran]
NAMES_OF_COMMANDS = {
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
    "view",
    "reread",
    "forget",
    "ingest",
}


def test_every_command_has_the_shared_options(skyledger: Run) -> None:
    """Each says where to work and can print JSON; exit codes are in the help."""
    help_text = skyledger("--help").out
    assert "Exit codes" in help_text
    assert set(COMMANDS) == NAMES_OF_COMMANDS
    for name in NAMES_OF_COMMANDS:
        text = skyledger(name, "--help").out
        for option in ("--json", "--profile", "--region", "--endpoint-url", "--bucket", "--stack"):
            assert option in text, (name, option)


WORK = Path("/work-folder")
ARN = "arn:aws:dynamodb:eu-west-1:1:table/Images/export/0"
FROM, TO = (datetime(2026, 11, 25, hour, tzinfo=UTC) for hour in (8, 9))
SINCE_UNTIL = ("--since", "2026-11-25T10:00+02:00", "--until", "2026-11-25T09:00")
HERE = ("--work", str(WORK), "--processes", "3")
OPENED = {"open_store": ("exports", {}), "progress": Bars, "report": "note"}
# The function that heeds them, the arguments of its command, and what it must get, by place or by name.
CASES: dict[str, tuple[str, tuple[str, ...], Mapping[str, Any]]] = {
    "replay": (
        "replay.replay_for",
        ("--until", "2026-11-25T10:00+02:00", "--swap", "--snapshot", "s", "--columns", "current",
         "--shard-bytes", "500", "--page-shards", "7", "--patience", "2.5", "--yes", *HERE),
        {
            "1": (WORK, "replay"),
            "2": Wishes(NAMES, Targets(500, 7), "2026-11-25T08:00:00Z", "bucket"),
            "3": Purpose("s", swap=True, keep_replaced=True, patience=2.5),
            "processes": 3,
            **OPENED,
        },
    ),
    "replay, pages alone": (
        "replay.replay_for",
        ("--page-shards", "7"),
        {"2": Wishes(None, Targets(1000, 7), "", "nothing"), "3": Purpose()},
    ),
    "replay, pinned": (
        "replay.replay_for",
        ("--snapshot", "s"),
        {"1": (None, "replay"), "2": Wishes(keep="bucket"), "3": Purpose("s")},
    ),
    "replay there": (
        "replay_there.run_state_machine",
        ("--distributed", "--stack", "sky", "--swap", "--snapshot", "s", "--shard-bytes", "500", "--page-shards", "7"),
        {
            "1": "machine",
            "2": {"until": "", "columns": "live", "swap": True, "snapshot": "s", "shard_bytes": 500, "page_shards": 7},
        },
    ),
    "restore": (
        "restore.replay_for",
        ("--to", "2026-11-25T10:00+02:00", "--yes", *HERE),
        {
            "1": (WORK, "restore"),
            "2": Wishes(until="2026-11-25T08:00:00Z"),
            "3": Purpose(swap=True, keep_replaced=True),
            "processes": 3,
            **OPENED,
        },
    ),
    "backfill": (
        "backfill.backfill_table",
        ("--table", "Images", *SINCE_UNTIL, "--keep-rows", "--dry-run", *HERE[:2]),
        {"1": ("Images", "", (FROM, TO)), "2": (WORK, "backfill"), "keep_rows": True, "dry_run": True},
    ),
    "backfill, all of it": (
        "backfill.backfill_table",
        ("--stack", "sky"),
        {"1": ("images", "", None), "2": (None, "backfill"), "keep_rows": False, "dry_run": False},
    ),
    "backfill to now": (
        "backfill.backfill_table",
        ("--table", "Images", *SINCE_UNTIL[:2]),
        {"1": ("Images", "", (FROM, ANY))},
    ),
    "backfill again": ("backfill.backfill_table", ("--export", ARN), {"1": ("", ARN, None)}),
    "verify tree": ("verify.check_tree", ("tree",), {"2": Bars}),
    "verify csv": ("verify.check_csv", ("csv",), {"1": Bars}),
    "verify journal": (
        "verify.compare_with_journal",
        ("journal", *HERE),
        {"1": (WORK, "verify"), "processes": 3, **OPENED},
    ),
    "verify table": (
        "verify.compare_with_table",
        ("table", "--table", "T", *HERE[:2]),
        {"1": ("T", "", None), "2": (WORK, "verify")},
    ),
    "verify table again": ("verify.compare_with_table", ("table", "--export", ARN), {"1": ("", ARN, None)}),
    "verify bucket": (
        "bucket_check.check_buckets",
        ("bucket", "--stack", "sky", "--in-flight", "3", "--inventory", "s3://b/m", "--rate", "7", "--repair",
         *HERE[:2]),
        {
            "1": (("archive", ""), ("photos", ""), ("objects", "", None), "s3://b/m"),
            "2": ("objects", "images"),
            "3": (WORK, "verify"),
            "repair": ("seen", 7.0),
            "in_flight_minutes": 3.0,
        },
    ),
    "verify bucket again": (
        "bucket_check.check_buckets",
        ("bucket", "--stack", "sky", "--export", ARN),
        {"1": (("archive", ""), ("photos", ""), ("", ARN, None), ""), "repair": None, "in_flight_minutes": 15.0},
    ),
    "ingest": (
        "ingest.plan_ingest",
        ("s3://photos/site/", "--stack", "sky", "--newer-than", "2026-11-25T10:00+02:00", "--limit", "9",
         "--inventory", "s3://b/m", *HERE[:2]),
        {
            "0": (("photos", "site/"), ("objects", "", None), "s3://b/m"),
            "1": IngestWishes((("photos", "site/"),), "2026-11-25T08:00:00Z", 9, "s3://b/m"),
            "2": (WORK, "ingest"),
        },
    ),
    "ingest, all new": (
        "ingest.plan_ingest",
        ("--stack", "sky", "--new"),
        {
            "0": (("archive", ""), ("photos", ""), None, ""),
            "1": IngestWishes((("archive", ""), ("photos", "")), all_new=True),
        },
    ),
    "ingest again": (
        "ingest.plan_ingest",
        ("--stack", "sky", "--export", ARN),
        {"0": (("archive", ""), ("photos", ""), ("", ARN, None), "")},
    ),
    "verify bucket there": (
        "bucket_check.run_state_machine",
        ("bucket", "--stack", "sky", "--distributed", "--repair", "--export", ARN, "--inventory", "s3://b/m",
         "--rate", "50", "--in-flight", "3"),
        {
            "1": "check",
            "2": {
                "mode": "verify", "repair": True, "export": ARN, "inventory": "s3://b/m", "rate": 50.0, "in_flight": 3.0
            },
        },
    ),
    "ingest there": (
        "bucket_check.run_state_machine",
        ("ingest", "s3://photos/site/", "--stack", "sky", "--distributed", "--newer-than", "2026-11-25T10:00+02:00",
         "--limit", "9", "--inventory", "s3://b/m", "--dry-run", "--rate", "50", "--new"),
        {
            "1": "check",
            "2": {
                "mode": "ingest", "place": "s3://photos/site/", "newer_than": "2026-11-25T08:00:00Z", "limit": 9,
                "inventory": "s3://b/m", "dry_run": True, "rate": 50.0, "all_new": True, "export": "",
            },
        },
    ),
    "collect": ("collect.collect", ("--dry-run",), {"dry_run": True}),
    "collect for good": ("collect.collect", (), {"dry_run": False}),
    "history": ("history.read_history", ("a/b", "--since", "2026-11-25"), {"1": "a/b", "since": "2026-11-25"}),
    "pull": ("pull.follow", ("copy", "--follow", "--every", "0.5"), {"1": 0.5}),
    "view": ("view.page_server", ("--port", "4321"), {"1": None, "2": 4321}),
    "view, with photos": ("view.page_server", ("--stack", "sky"), {"1": {"photos", "archive"}, "2": 0}),
}  # fmt: skip


def _asked(place: Deployment, work: Path | None, command: str) -> tuple[Path | None, str]:
    return work, command


def _plain(given: Any) -> Any:
    """Give an argument as the table has it: a folder by what was asked for, an export or photos by what is wanted."""
    if isinstance(given, PhotoReader):
        return given._buckets
    if isinstance(given, Bars):
        return Bars
    if isinstance(given, FunctionType | MethodType):
        return given.__name__
    if isinstance(given, ExportRequest):
        return given.table, given.arn, given.window
    if isinstance(given, Wanted):
        return *given.sources.places, _plain(given.export), given.inventory
    if isinstance(given, Looker):
        return given.objects, given.images
    if isinstance(given, Lane):
        return given.queue, given.rate
    if isinstance(given, partial):
        return given() if given.func is _asked else given.args
    return given


@pytest.mark.parametrize("case", CASES)
def test_what_is_asked_for_comes_to_where_it_is_heeded(
    case: str, skyledger: Run, filled: Ledger, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An option that is forgotten on the way says nothing: the command does something else."""
    function, arguments, wanted = CASES[case]
    command, _, name = function.partition(".")
    called: dict[str, Any] = {}

    def note(*given: Any, **named: Any) -> None:
        called.update({str(place): _plain(one) for place, one in enumerate(given)})
        called.update({name: _plain(one) for name, one in named.items()})
        raise typer.Exit

    room = importlib.import_module(f"operations.cli.{command}")
    monkeypatch.setattr(room, name, note)
    monkeypatch.setattr(room, "hold_work_folder", _asked, raising=False)
    monkeypatch.setattr(verify, "hold_work_folder", _asked)
    monkeypatch.setattr(deployment, "listing_client", dict)  # to make one takes long
    callers = {"bucket_check": () if arguments[:1] == ("ingest",) else ("verify",), "replay_there": ("replay",)}
    called_by = callers.get(command, (command,))
    assert skyledger(*called_by, *arguments).code == 0
    assert {name: called[name] for name in wanted} == wanted


def test_where_to_work_comes_to_every_client(skyledger: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Region, endpoint and profile: here, and in processes that are started."""
    clients: list[tuple[str, dict[str, str]]] = []
    monkeypatch.setattr(deployment.boto3, "client", lambda service, **given: clients.append((service, given)))
    monkeypatch.setenv("AWS_PROFILE", "another")
    made = make_deployment("b", "sky", "mine", "eu-west-1", "http://localhost:1")
    where = {"region_name": "eu-west-1", "endpoint_url": "http://localhost:1"}
    made.client("sqs")
    assert clients == [("sqs", where)]
    assert deployment.os.environ["AWS_PROFILE"] == "mine"
    assert made.bucket_name() == "b", "what is named goes before what the stack says"
    opened = made.open_store()
    assert opened.args == ("b", where)
    assert make_deployment("b", "", "", "", "").client_arguments == {}


def test_the_bucket_is_opened_where_the_command_works() -> None:
    """And not where the shell's settings lead."""
    store = open_bucket("b", {"region_name": "eu-west-1", "endpoint_url": "http://localhost:1"})
    assert isinstance(store, S3Store)
    assert store.bucket == "b"
    assert (store._s3.meta.region_name, store._s3.meta.endpoint_url) == ("eu-west-1", "http://localhost:1")


def test_the_command_says_its_version_and_completes_in_the_shell(
    skyledger: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands, and the choices of an option, which come through what wraps each command."""
    assert (skyledger("--version").code, skyledger("--version").out) == (0, f"{own_version()}\n")
    monkeypatch.setenv("_SKYLEDGER_COMPLETE", "complete_bash")
    for words, wanted in {
        "skyledger re": {"replay", "restore", "redrive", "reread"},
        "skyledger stream ": {"on", "off"},
    }.items():
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
        assert {*skyledger().out.split()} == wanted
