"""Runs the exporter of an older commit, which is in the project's history, on a bucket in memory.

Run as a program, with that commit's functions and doubles on the path, it reads a bucket and batches from the standard
input and writes the bucket, and what went wrong, to the standard output.
"""

import pickle
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

COMMIT = "83ca73d4a021b0251342f01d8cbd0d6249196583"  # the first release
_NEEDED = ("functions", "infra/__init__.py", "infra/local/__init__.py", "infra/local/memory_store.py")

Bucket = dict[str, tuple[dict[str, Any], str]]


def unpack_release(folder: Path, root: Path) -> bool:
    """Put the commit's code into a folder; False if the history does not have it."""
    done = subprocess.run(["git", "archive", COMMIT, "--", *_NEEDED], cwd=root, capture_output=True, check=False)
    if done.returncode:
        return False
    with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return True


def export_by(release: Path, bucket: Bucket, batches: Iterable[Any], now: datetime) -> tuple[Bucket, str]:
    """Export batches with the commit's code; give the bucket as it is then, and the error, if any."""
    done = subprocess.run(
        [sys.executable, __file__],
        input=pickle.dumps((bucket, [*batches], now)),
        env={"PYTHONPATH": f"{release / 'functions'}:{release}", "POWERTOOLS_METRICS_NAMESPACE": "x"},
        stdout=subprocess.PIPE,
        check=True,
    )
    answer: tuple[Bucket, str] = pickle.loads(done.stdout.rpartition(b"<bucket>")[2])
    return answer


def _run() -> None:
    from infra.local.memory_store import MemoryStore  # type: ignore[import-not-found]

    from csv_exporter.handler import export
    from ledger.errors import LedgerError
    from ledger.ledger import Ledger, no_limit
    from ledger.manifest import Targets
    from ledger.store import Stored

    bucket, batches, now = pickle.loads(sys.stdin.buffer.read())
    store = MemoryStore(lambda: now)
    store.objects = {key: (Stored(**stored), content_type) for key, (stored, content_type) in bucket.items()}
    ledger = Ledger(store, targets=Targets(1000, 4), now=now.timestamp)
    said = ""
    try:
        for records in batches:
            export(ledger, {"Records": records}, no_limit)
    except LedgerError as error:
        said = f"{type(error).__name__}: {error}"
    names = ("body", "etag", "metadata", "size", "modified")
    after = {
        key: ({name: getattr(stored, name) for name in names}, content_type)
        for key, (stored, content_type) in store.objects.items()
    }
    sys.stdout.flush()
    sys.stdout.buffer.write(b"<bucket>" + pickle.dumps((after, said)))


if __name__ == "__main__":
    _run()
