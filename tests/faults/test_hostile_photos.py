"""A photo that gets through every bound of the readers, and the function in a real process that dies of it."""

import json
import random
from pathlib import Path

from image_processor.catalog.facts import UNREAD
from image_processor.handler import LAST_RECEIVE
from infra.doubles.memory_bucket import MemoryBucket
from infra.doubles.memory_tables import MemoryTables
from infra.survey.photos import survey
from infra.waiting import PATIENCE_SECONDS
from tests.support.lambda_host import Host, Queue
from tests.support.paths import BROKEN_READERS

MEMORY_MB = 400
SECONDS = 3.0  # of the invocation whose photo hangs: it would hang for the whole minute
FLAGS = {
    "sleeps": "metadata: reading took longer than 3 s, not read",
    "eats memory": "metadata: reading needed more than 200 MB, not read",
    "crashes": "metadata: the reader ended (SIGSEGV), not read",
}


def test_a_photo_that_breaks_its_reader_costs_one_row_its_metadata(tmp_path: Path) -> None:
    """One sleeps, one eats memory, one crashes the interpreter, each among nine others: all rows, and no dead letter.

    At first each takes its invocation along. When the messages come again, in any order and together, the other photos
    are read as ever, and each of the three gets a row that says what it did.
    """
    bucket, tables = MemoryBucket(), MemoryTables()
    photos = iter(survey(30, seed=11))
    bodies = {}
    for habit in FLAGS:
        bodies |= {f"{habit}/{number}.jpg": next(photos).body for number in range(9)}
        bodies[f"{habit}/bad.jpg"] = next(photos).body + habit.encode()
    queue = Queue({key: bucket.put(key, body) for key, body in bodies.items()}, most_receives=LAST_RECEIVE)
    services = {"s3": bucket, "dynamodb": tables}
    host = Host(services, memory_mb=MEMORY_MB, path=[BROKEN_READERS], log=tmp_path / "log")
    try:
        for habit in FLAGS:
            batch = [key for key in bodies if key.startswith(habit)]
            queue.deliver(host, SECONDS if habit == "sleeps" else PATIENCE_SECONDS, batch)
        assert queue.deaths == ["out of time", "out of memory", "crashed"]
        assert set(queue.receives.values()) == {1}
        queue.deliver(host, PATIENCE_SECONDS, random.Random(1).sample([*bodies], len(bodies)))
    finally:
        host.stop()
    assert (queue.receives, queue.dead) == ({}, [])
    assert len(queue.deaths) == 3
    assert host.starts == 4
    rows = {row["key"]["S"]: row for row in tables.images.values()}
    assert rows.keys() == bodies.keys()
    for key, row in rows.items():
        habit, _, name = key.partition("/")
        assert row["size_bytes"]["N"] == str(len(bodies[key]))
        if name == "bad.jpg":
            assert json.loads(row["warnings"]["S"]) == [FLAGS[habit]]
            assert row["content_type"]["S"] == UNREAD
        else:
            assert "warnings" not in row
            assert row["width_px"]["N"] == "320"
    reported = [
        json.loads(line) for line in (tmp_path / "log").read_text().splitlines() if '"message":"broken"' in line
    ]
    assert {(line["level"], line["key"]) for line in reported} == {("ERROR", f"{habit}/bad.jpg") for habit in FLAGS}
