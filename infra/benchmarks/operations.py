"""What each command takes on a large ledger: seconds, memory of all its processes, scratch, and how long it is silent.

usage: ./infra/bench operations [--rows N] [--processes N] [--only WORD ...]

A ledger of --rows rows is made in SeaweedFS by the real code, in batches, as an exporter makes it: journal, shards, and
image-data.csv. Then the `skyledger` command is run on it as it is installed, each time in processes of its own and on a
terminal, with an empty cache. --only runs the commands that have one of these words in their name.

Between commands happens what they are for: failed batches lie there, whose events are a day late; the table and the
CSV differ; an inventory has objects that nobody knows; photos are deleted that are to be forgotten. The files of the
exports and the inventory are in S3; the answers of CloudFormation, DynamoDB, SQS and Lambda, which are short, come from
this program. To list the buckets is left out (`./infra/bench ingest` does it), and so is what waits for others: `view`,
`pull --follow`, and what Step Functions does.

Memory is the resident memory of all processes of the command together, ten times a second; pages that they share are
counted for each. Scratch is what lay in the command's cache at most. Silent is the longest time in which the terminal
showed nothing new: neither a line, nor another number in a progress bar; its spinner and its clock do not count. What
stood there before it is told. Seconds are those of this machine, with a server on the same cores.

The last line is one JSON object: worst_peak_mb, worst_command (that needed it), longest_silence_s, silent_command, and
failed: the commands that did not end with the exit code of what went well.
"""

import json
import os
import shutil
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.benchmarks._command import Ran, run
from infra.benchmarks._report import arguments_of, console, make_table, show
from infra.benchmarks._services import STACK
from infra.benchmarks._survey import EXPORT, NEW_REPORTS, REPORTS, Survey, to_forget
from infra.doubles.inventories import FOLDER
from infra.local.seaweed import SeaweedFS
from infra.survey import items
from operations.cli.exit_codes import DIFFERENT
from operations.readers.formats import Format

WHERE = "iso > 100"
FIRST_PULL = "pull, first"
_SENT = "20000"  # messages of a command that would send one for each row: they go one like the other
_OF_STACK = ("--stack", STACK)


@dataclass(frozen=True, slots=True)
class Command:
    """One run of the command.

    Attributes:
        name: for the table.
        arguments: of `skyledger`; a COPY in it is a folder with a current copy.
        before: happens to the ledger first.
        code: that it ends with if all is well.
    """

    name: str
    arguments: tuple[str, ...]
    before: Callable[[Survey], None] = lambda survey: None
    code: int = 0


def commands(rows: int, processes: Sequence[str]) -> Iterator[Command]:
    """Name what is run, in this order."""
    yield from _of_readers(rows)
    yield from _of_rebuilds(rows, processes)
    yield Command("redrive", ("redrive", *_OF_STACK), Survey.put_aside)
    yield Command("backfill --dry-run", ("backfill", "--dry-run", *_OF_STACK), Survey.lose_events)
    yield Command("backfill", ("backfill", *_OF_STACK), Survey.export_images)
    yield Command("verify table", ("verify", "table", *_OF_STACK), Survey.export_images)
    yield from _of_buckets()
    yield Command("status --stack", ("status", *_OF_STACK))
    yield Command("stream off", ("stream", "off", *_OF_STACK))
    yield Command("stream on", ("stream", "on", *_OF_STACK))
    etags = [items.etag_of(number) for number in to_forget(rows)]
    yield Command("forget --dry-run", ("forget", "--dry-run", *etags), Survey.delete_photos, DIFFERENT)
    yield Command("forget", ("forget", "--yes", *etags), Survey.delete_photos)
    yield Command("collect --dry-run", ("collect", "--dry-run"))
    yield Command("collect", ("collect",))


def _of_readers(rows: int) -> Iterator[Command]:
    yield Command(FIRST_PULL, ("pull", "COPY"))
    yield Command("pull, nothing new", ("pull", "COPY"))
    yield Command("pull, one row more", ("pull", "COPY"), Survey.add_row)
    for form in Format:
        if form is not Format.CSV:
            yield Command(f"pull {form.value}", ("pull", "COPY", "--format", form.value))
    for form in (Format.CSV, Format.PARQUET):
        yield Command(f"pull {form.value} --where", ("pull", "COPY", "--format", form.value, "--where", WHERE))
    yield Command("status", ("status",))
    yield Command("ddl", ("ddl", "athena"))
    yield Command("ddl --list", ("ddl", "athena", "--list"))
    yield Command("history", ("history", items.etag_of(rows // 100)))
    for checks in (("tree",), ("csv",), ("tree", "csv")):
        yield Command(f"verify {' '.join(checks)}", ("verify", *checks))


def _of_rebuilds(rows: int, processes: Sequence[str]) -> Iterator[Command]:
    until = items.event_time(rows // 2)
    yield Command("verify journal", ("verify", "journal", *processes))
    yield Command("replay --dry-run", ("replay", "--dry-run", *processes))
    yield Command("replay --until", ("replay", "--until", until, "--snapshot", "half", *processes))
    yield Command("replay --swap", ("replay", "--shard-bytes", "2000000", "--swap", *processes))
    yield Command("snapshot", ("snapshot", "present"))
    yield Command("snapshot --remove", ("snapshot", "present", "--remove"))
    yield Command("pull half", ("pull", "COPY", "--snapshot", "half"), Survey.pin_half)
    yield Command("restore", ("restore", "half", "--yes"), Survey.pin_half)
    yield Command("restore --undo", ("restore", "--undo", "--yes"))
    yield Command("restore --to", ("restore", "--to", until, "--yes", *processes))
    yield Command("restore --undo, again", ("restore", "--undo", "--yes"))


def _of_buckets() -> Iterator[Command]:
    reported, new = (f"s3://{bucket}/{FOLDER}/manifest.json" for bucket in (REPORTS, NEW_REPORTS))
    yield Command("verify bucket", ("verify", "bucket", "--inventory", reported, *_OF_STACK), Survey.report)
    new_objects = ("ingest", "--inventory", new, *_OF_STACK)
    yield Command("ingest --dry-run", (*new_objects, "--dry-run"), Survey.add_objects)
    yield Command("ingest", new_objects, Survey.add_objects)
    yield Command("ingest --new", (*new_objects, "--new", "--limit", _SENT), Survey.add_objects)
    yield Command("reread", ("reread", "--all", "--limit", _SENT, *_OF_STACK))


class Machine:
    """Where commands are run: what they leave is deleted, except the copy of the first one.

    Args:
        folder: of the machine.
        survey: what they are run on.
        server: that it lies in.
    """

    def __init__(self, folder: Path, survey: Survey, server: SeaweedFS) -> None:
        self._survey, self._credentials = survey, server.credentials
        self._copy, self._cache = folder / "copy", folder / "cache"

    def run(self, command: Command) -> Ran:
        """Run a command."""
        command.before(self._survey)
        copy = self._copy if command.name == FIRST_PULL else self._linked()
        arguments = [str(copy) if argument == "COPY" else argument for argument in command.arguments]
        program = Path(sysconfig.get_path("scripts")) / "skyledger"
        environment = os.environ | {
            "SKYLEDGER_BUCKET": EXPORT,
            "AWS_ENDPOINT_URL": self._survey.services.endpoint_url,
            "AWS_ENDPOINT_URL_S3": self._credentials["endpoint_url"],
            "AWS_ACCESS_KEY_ID": self._credentials["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": self._credentials["aws_secret_access_key"],
            "AWS_DEFAULT_REGION": self._credentials["region_name"],
            "XDG_CACHE_HOME": str(self._cache),
            "TERM": "xterm",
        }
        self._cache.mkdir(exist_ok=True)
        ran = run([str(program), *arguments], environment, self._cache)
        shutil.rmtree(self._cache)
        if copy != self._copy:
            shutil.rmtree(copy)
        return ran

    def _linked(self) -> Path:
        """Make a folder with the copy; its files are linked, since a command replaces files and changes none."""
        folder = self._copy.with_name("linked")
        folder.mkdir()
        for path in self._copy.iterdir():
            os.link(path, folder / path.name)
        return folder


def main(argv: Sequence[str]) -> int:
    """Run the benchmark, print its table and the JSON line."""
    parser = arguments_of("operations", __doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--processes", type=int, default=0, help="of commands that take it; 0: as they like")
    parser.add_argument("--only", nargs="*", default=[])
    arguments = parser.parse_args(argv)
    processes = ("--processes", str(arguments.processes)) if arguments.processes else ()
    table = make_table("command", "seconds", "peak MB", "silent", "scratch MB", "exit", left=("command",))
    runs: dict[str, Ran] = {}
    failed: list[str] = []
    with tempfile.TemporaryDirectory() as folder, SeaweedFS(Path(folder) / "seaweed") as server:
        survey = Survey(arguments.rows, server)
        machine = Machine(Path(folder), survey, server)
        with survey.services:
            for command in commands(arguments.rows, processes):
                wanted = not arguments.only or any(word in command.name for word in arguments.only)
                if not wanted and command.name != FIRST_PULL:
                    continue
                ran = runs[command.name] = machine.run(command)
                cells = f"{ran.seconds:,.1f}", f"{ran.peak_mb:,.0f}", f"{ran.silence:,.1f}", f"{ran.scratch_mb:,.0f}"
                table.add_row(command.name, *cells, str(ran.code))
                told = f"{command.name}: {', '.join(cells)}, exit {ran.code}; silent after: {ran.before_silence}"
                console.print(told, markup=False)
                if ran.code != command.code:
                    failed.append(command.name)
                    console.print(ran.shown, markup=False)
    show(f"{arguments.rows:,} rows", table, "")
    worst = max(runs, key=lambda name: runs[name].peak_mb)
    silent = max(runs, key=lambda name: runs[name].silence)
    result = {
        "worst_peak_mb": round(runs[worst].peak_mb),
        "worst_command": worst,
        "longest_silence_s": round(runs[silent].silence, 1),
        "silent_command": silent,
        "failed": failed,
    }
    print(json.dumps(result))
    return 0
