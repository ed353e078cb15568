"""What each command takes on a large ledger: seconds, memory of all its processes, scratch, and how long it is silent.

usage: ./infra/bench operations [--rows N] [--processes N] [--only WORD ...]

A ledger of --rows rows is made in SeaweedFS by the real code, in batches, as an exporter makes it: journal, shards, and
image-data.csv. Then the `skyledger` command is run on it as it is installed, each time in processes of its own and on a
terminal, with an empty cache. --only runs the commands that have one of these words in their name.

Memory is the resident memory of all processes of the command together, ten times a second; pages that they share are
counted for each. Scratch is what lay in the command's cache at most. Silent is the longest time in which the terminal
showed nothing new: neither a line, nor another number in a progress bar; its spinner and its clock do not count.
Seconds are those of this machine, with a server on the same cores. What asks services other than S3 is not in it.

The last line is one JSON object: worst_peak_mb, worst_command (that needed it), longest_silence_s, silent_command, and
failed: the commands that did not end with 0.
"""

import json
import os
import shutil
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import track

from infra.benchmarks._command import Ran, run
from infra.benchmarks._report import arguments_of, console, make_table, show
from infra.local.seaweed import SeaweedFS
from infra.survey import items
from ledger.commit import commit
from ledger.ledger import Ledger
from ledger.publish import publish
from ledger.s3_store import S3Store
from operations.readers.formats import Format

BUCKET = "export"
FILLING = 1_000  # events of a batch, of 4 MB: a function gets 6 MB at most (AWS, Lambda quotas)
WHERE = "iso > 100"
FIRST_PULL = "pull, first"


@dataclass(frozen=True, slots=True)
class Command:
    """One run of the command.

    Attributes:
        name: for the table.
        arguments: of `skyledger`; a COPY in it is a folder with a current copy.
        new_row: commit a row before.
    """

    name: str
    arguments: tuple[str, ...]
    new_row: bool = False


def commands(rows: int, processes: Sequence[str]) -> Iterator[Command]:
    """Name what is run, in this order."""
    early = items.etag_of(rows // 100)
    until = items.event_time(rows // 2)
    yield Command(FIRST_PULL, ("pull", "COPY"))
    yield Command("pull, nothing new", ("pull", "COPY"))
    yield Command("pull, one row changed", ("pull", "COPY"), new_row=True)
    for form in Format:
        if form is not Format.CSV:
            yield Command(f"pull {form.value}", ("pull", "COPY", "--format", form.value))
    for form in (Format.CSV, Format.PARQUET):
        yield Command(f"pull {form.value} --where", ("pull", "COPY", "--format", form.value, "--where", WHERE))
    yield Command("status", ("status",))
    yield Command("ddl", ("ddl", "athena"))
    yield Command("history", ("history", early))
    yield Command("verify tree", ("verify", "tree"))
    yield Command("verify csv", ("verify", "csv"))
    yield Command("verify tree csv", ("verify", "tree", "csv"))
    yield Command("verify journal", ("verify", "journal", *processes))
    yield Command("replay --dry-run", ("replay", "--dry-run", *processes))
    yield Command("replay --until", ("replay", "--until", until, "--snapshot", "half", *processes))
    yield Command("replay --swap", ("replay", "--shard-bytes", "2000000", "--swap", *processes))
    yield Command("snapshot", ("snapshot", "present"))
    yield Command("snapshot --remove", ("snapshot", "present", "--remove"))
    yield Command("redrive", ("redrive",))
    yield Command("collect --dry-run", ("collect", "--dry-run"))
    yield Command("collect", ("collect",))


class Survey:
    """A ledger in the bucket, and copies of it on this machine."""

    def __init__(self, rows: int, folder: Path, server: SeaweedFS) -> None:
        self._server = server
        server.client().create_bucket(Bucket=BUCKET)
        self._ledger = Ledger(S3Store(BUCKET, **server.credentials), makes_first_root=True)
        self._rows = rows
        self._copy, self._cache = folder / "copy", folder / "cache"
        for start in track(range(0, rows, FILLING), f"making {rows:,} rows", console=console):
            commit(self._ledger, [items.insert(number) for number in range(start, min(start + FILLING, rows))])
        publish(self._ledger)

    def run(self, command: Command) -> Ran:
        """Run a command; what it leaves on this machine is deleted, except the copy of the first one."""
        if command.new_row:
            commit(self._ledger, [items.insert(self._rows)])
            publish(self._ledger)
        copy = self._copy if command.name == FIRST_PULL else self._linked()
        arguments = [str(copy) if argument == "COPY" else argument for argument in command.arguments]
        program = Path(sysconfig.get_path("scripts")) / "skyledger"
        credentials = self._server.credentials
        environment = os.environ | {
            "SKYLEDGER_BUCKET": BUCKET,
            "AWS_ENDPOINT_URL": credentials["endpoint_url"],
            "AWS_ACCESS_KEY_ID": credentials["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": credentials["aws_secret_access_key"],
            "AWS_DEFAULT_REGION": credentials["region_name"],
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
    with tempfile.TemporaryDirectory() as folder, SeaweedFS(Path(folder) / "seaweed") as server:
        survey = Survey(arguments.rows, Path(folder), server)
        for command in commands(arguments.rows, processes):
            wanted = not arguments.only or any(word in command.name for word in arguments.only)
            if not wanted and command.name != FIRST_PULL:
                continue
            ran = runs[command.name] = survey.run(command)
            cells = f"{ran.seconds:,.1f}", f"{ran.peak_mb:,.0f}", f"{ran.silence:,.1f}", f"{ran.scratch_mb:,.0f}"
            table.add_row(command.name, *cells, str(ran.code))
            console.print(f"{command.name}: {', '.join(cells)}, exit {ran.code}")
            if ran.code:
                console.print(ran.shown, markup=False)
    show(f"{arguments.rows:,} rows", table, "")
    worst = max(runs, key=lambda name: runs[name].peak_mb)
    silent = max(runs, key=lambda name: runs[name].silence)
    result = {
        "worst_peak_mb": round(runs[worst].peak_mb),
        "worst_command": worst,
        "longest_silence_s": round(runs[silent].silence, 1),
        "silent_command": silent,
        "failed": [name for name, ran in runs.items() if ran.code],
    }
    print(json.dumps(result))
    return 0
