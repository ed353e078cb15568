"""What engines read while the CSV is published each second: one version, a mix of two, or an error.

usage: ./infra/bench moment [--reads N] [--rows N] [--pause SECONDS]

A ledger stands in a real S3 server. Each version gives every row another revision, and is committed, published, and put
into the list of shards by the code that does so in the functions. Meanwhile every engine reads N times, in an
environment of its own, all ways in turn: image-data.csv itself, as one would without having been told; by the recipes
of infra/README.md, "Reading without a copy", word for word; and by the list of shards, as Athena, Trino and Spark do.

A read is whole if all rows are there, with one revision, of a version that was published; else it is mixed. An error
is what any reader notices. The last line is one JSON object: reads, versions, and of the recipes and the list
`recommended_mixed` and `recommended_errors`, of the file `file_mixed` and `file_errors`.
"""

import json
import os
import re
import subprocess
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.benchmarks._beside import beside
from infra.benchmarks._report import arguments_of, console, make_table, show
from infra.local.emulator import make_environment
from infra.local.seaweed import REGION, SeaweedFS
from infra.paths import HOME, ROOT
from infra.survey import items
from ledger.commit import commit
from ledger.keys import SYMLINKS_KEY
from ledger.ledger import Ledger
from ledger.manifest import Targets
from ledger.publish import publish
from ledger.s3_store import S3Store
from ledger.shard_list import put_list, renew_lists, shards_of

LOCK_FILE = Path(__file__).parent / "readers.lock"
PROGRAM = Path(__file__).parent / "_engines.py"
BUCKET = "export"
ROWS = 300  # of 3.3 KB: fifteen of the ranges that are read of it, and as many shards
TARGETS = Targets(shard_bytes=64 << 10)
SECTION = "Reading without a copy"
# What an engine does: it reads the list, and then all that it names.
BY_LIST = f"""
addresses = s3.cat("{BUCKET}/{SYMLINKS_KEY}").decode().split()
import polars
rows = polars.scan_csv(addresses, has_header=False, schema=dict.fromkeys(root["columns"], polars.String)).collect()
"""


def recipes_of(readme: str, bucket: str) -> dict[str, str]:
    """Give the recipes of a README's section, for a bucket, each with what comes before all of them.

    The first block says what to read; each further one is a way to read it, named by the bold words before it.
    """
    section = re.search(rf"^## {SECTION}\n(.*?)(?=^## |\Z)", readme, re.MULTILINE | re.DOTALL)
    assert section is not None, f"there is no section {SECTION!r}"
    blocks = re.findall(r"\*\*([^*\n]+)\*\*[^`]*?```python\n(.*?)```", section[1], re.DOTALL)
    (_, first), *others = [(name, code.replace("EXPORT_BUCKET", bucket)) for name, code in blocks]
    return {f"recipe: {name}": first + code for name, code in others} | {"list of shards": first + BY_LIST}


@dataclass
class Writer:
    """Gives every row another revision, again and again.

    Attributes:
        ledger: that is written to.
        rows: how many it has.
        versions: revisions that the CSV showed, or shows.
    """

    ledger: Ledger
    rows: int
    versions: set[int] = field(default_factory=set)

    def write(self) -> None:
        """Commit, publish and list one version."""
        revision = len(self.versions) + 1
        self.versions.add(revision)
        numbers = range(self.rows)
        made = [items.modify(number, revision) if revision > 1 else items.insert(number) for number in numbers]
        publish(self.ledger, report=commit(self.ledger, made))
        renew_lists(self.ledger)

    @contextmanager
    def writing(self, pause: float) -> Iterator[None]:
        """Write in the background, with so many seconds in between.

        Raises:
            RuntimeError: the writer died, so that what was read meanwhile proves nothing.
        """
        with beside("writer", self.write, pause):
            yield


@dataclass
class Tally:
    """What the reads of one way gave."""

    whole: int = 0
    mixed: int = 0
    errors: Counter[str] = field(default_factory=Counter)


def judge(reads: Sequence[Mapping[str, Any]], rows: int, versions: set[int]) -> dict[str, Tally]:
    """Say of each way how many of its reads were whole, mixed, or none."""
    tallies: dict[str, Tally] = defaultdict(Tally)
    for read in reads:
        tally = tallies[read["way"]]
        if "error" in read:
            tally.errors[read["error"].partition(":")[0]] += 1
        elif len(read["seen"]) == 1 and read["seen"][0][0] in versions and read["seen"][0][1] == rows:
            tally.whole += 1
        else:
            tally.mixed += 1
    return tallies


def read(server: SeaweedFS, reads: int) -> list[dict[str, Any]]:
    """Let every engine read so many times, and give what each read gave."""
    python = make_environment(HOME / "readers", LOCK_FILE)
    recipes = recipes_of((ROOT / "infra" / "README.md").read_text(encoding="utf-8"), BUCKET)
    environment = os.environ | {
        "AWS_ENDPOINT_URL": server.endpoint_url,
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ALLOW_HTTP": "true",
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(recipes, file)
        file.flush()
        command = [str(python), str(PROGRAM), BUCKET, str(reads), file.name]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as engines:
            assert engines.stdout is not None
            found = []
            with console.status("") as status:
                for line in engines.stdout:
                    found.append(json.loads(line))
                    status.update(f"{len(found)} reads ...")
    if engines.returncode:
        raise RuntimeError("the readers died")
    return found


def run(reads: int, rows: int, pause: float) -> tuple[dict[str, Tally], int]:
    """Write and read; give what each way gave, and how many versions there were."""
    with tempfile.TemporaryDirectory() as folder, SeaweedFS(Path(folder)) as server:
        server.client().create_bucket(Bucket=BUCKET)
        writer = Writer(Ledger(S3Store(BUCKET, **server.credentials), makes_first_root=True, targets=TARGETS), rows)
        writer.write()
        root, _ = writer.ledger.load_root()
        put_list(writer.ledger, root, list(shards_of(writer.ledger, root)), SYMLINKS_KEY, BUCKET, None)
        with writer.writing(pause):
            found = read(server, reads)
        return judge(found, rows, writer.versions), len(writer.versions)


def main(argv: Sequence[str]) -> int:
    """Run the benchmark, print its table and the JSON line."""
    parser = arguments_of("moment", __doc__)
    parser.add_argument("--reads", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--pause", type=float, default=1.0)
    arguments = parser.parse_args(argv)
    tallies, versions = run(arguments.reads, arguments.rows, arguments.pause)
    table = make_table("read", "whole", "mixed", "errors", "which", left=("read", "which"))
    totals: Counter[str] = Counter()
    for way, tally in tallies.items():
        errors = ", ".join(tally.errors)
        table.add_row(way, *(f"{count:,}" for count in (tally.whole, tally.mixed, tally.errors.total())), errors)
        kind = "file" if way.startswith("file") else "recommended"
        totals += Counter({f"{kind}_mixed": tally.mixed, f"{kind}_errors": tally.errors.total()})
    show(f"{versions:,} versions were published meanwhile", table)
    names = ("recommended_mixed", "recommended_errors", "file_mixed", "file_errors")
    print(json.dumps({"reads": arguments.reads, "versions": versions} | {name: totals[name] for name in names}))
    return 0
