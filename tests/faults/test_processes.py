"""Real processes: functions are killed under load while S3 fails, and the emulator of AWS lives on."""

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any
from urllib.parse import urlsplit

import pytest

from infra.doubles.fault_proxy import FaultProxy
from infra.doubles.memory_store import MemoryStore
from infra.local.deploy import DeploymentError
from infra.local.emulator import AlreadyRunningError
from infra.local.servers import ServerError
from infra.local.stack import LocalStack
from infra.survey.photos import survey
from infra.waiting import until
from ledger.commit import commit
from ledger.manifest import Targets
from operations.dead_letters import redrive_messages
from tests.support.factories import event, make_ledger, model_csv
from tests.support.reader import read_root

KILLS = 30
PHOTOS = 150
# After which a batch comes again: soon while functions are killed, then when its function has ended (AWS: 6 min)
VISIBILITY_SECONDS, WHOLE_VISIBILITY_SECONDS = 8, 60
FUNCTIONS = ("ImageProcessor", "CsvExporter")


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[LocalStack]:
    """The pipeline on this machine, with a network to S3 that fails for its functions."""
    try:
        stack = LocalStack(data=tmp_path / "stack")
    except (OSError, ServerError, DeploymentError, AlreadyRunningError, CalledProcessError) as error:
        pytest.skip(f"the local stack does not start here: {error}")
    with stack:
        yield stack


def send_through(stack: LocalStack, url: str) -> None:
    """Let the functions speak to S3 through another address."""
    functions = stack.emulator.client("lambda")
    for name in stack_functions(stack):
        variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        functions.update_function_configuration(
            FunctionName=name, Environment={"Variables": variables | {"AWS_ENDPOINT_URL_S3": url}}
        )


def stack_functions(stack: LocalStack) -> list[str]:
    names = [one["FunctionName"] for one in stack.emulator.client("lambda").list_functions()["Functions"]]
    return [name for name in names if any(function in name for function in FUNCTIONS)]


def workers(folder: Path) -> list[int]:
    """Find the processes that run the two functions of this stack."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().decode(errors="replace") if entry.name.isdigit() else ""
        except OSError:
            continue  # ended meanwhile
        if str(folder) in command and "_worker.py" in command and any(name in command for name in FUNCTIONS):
            found.append(int(entry.name))
    return found


def load_and_kill(stack: LocalStack, folder: Path, chance: random.Random) -> dict[str, bytes]:
    """Upload, overwrite and delete, and kill functions in between; give what the bucket holds in the end."""
    s3, bucket = stack.s3, stack.deployment.images_bucket
    held: dict[str, bytes] = {}
    photos = [photo.body for photo in survey(PHOTOS + PHOTOS // 10, seed=7)]
    kills = 0
    for number, body in enumerate(photos):
        key = f"site/{number}.jpg" if number < PHOTOS else chance.choice(sorted(held))
        s3.put_object(Bucket=bucket, Key=key, Body=body)
        held[key] = body
        if number % 25 == 24:
            gone = chance.choice(sorted(held))
            s3.delete_object(Bucket=bucket, Key=gone)
            del held[gone]
        if number % (len(photos) // KILLS) == 0:
            kills += kill_one(folder, chance)
    for number in range(kills, KILLS):  # each photo brings a function to kill, however long it takes
        s3.put_object(Bucket=bucket, Key=f"more/{number}.jpg", Body=photos[number] + b"\0" * number)
        held[f"more/{number}.jpg"] = photos[number] + b"\0" * number
        until(lambda: kill_one(folder, chance), f"function to kill after {number} of {KILLS}")
    return held


def kill_one(folder: Path, chance: random.Random) -> bool:
    """Kill one of the processes after a moment; whether there was one."""
    time.sleep(chance.uniform(0.02, 0.4))
    for pid in chance.sample(alive := workers(folder), len(alive)):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        return True
    return False


def hide_received(stack: LocalStack, seconds: int) -> None:
    """Let what a function has received come again after so long."""
    stack.emulator.client("sqs").set_queue_attributes(
        QueueUrl=stack.deployment.queue_url, Attributes={"VisibilityTimeout": str(seconds)}
    )


def is_done(stack: LocalStack) -> bool:
    """Wait for what is under way; whether all of it came through. What was killed five times gets another chance."""
    stack.wait_until_current()
    if not stack.dead_letters():
        return True
    redrive_messages(stack.emulator.client("sqs"), stack.deployment.dead_letters_url, stack.deployment.queue_url)
    return False


def items_of(stack: LocalStack) -> list[dict[str, Any]]:
    pages = stack.emulator.client("dynamodb").get_paginator("scan").paginate(TableName=stack.deployment.images_table)
    return [item for page in pages for item in page["Items"]]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="functions are found through /proc, which is not here")
def test_thirty_kills_under_load_lose_and_double_nothing(stack: LocalStack, tmp_path: Path) -> None:
    """The CSV is the table, and the table is the bucket; the tree is that of a ledger which never saw a fault."""
    hide_received(stack, VISIBILITY_SECONDS)
    proxy = FaultProxy(urlsplit(stack.emulator.endpoint_url).port or 0, share=0.05)
    try:
        send_through(stack, proxy.url)
        held = load_and_kill(stack, tmp_path, random.Random(11))
        stack.wait_until_current()
        assert proxy.faults > 0
        send_through(stack, stack.emulator.endpoint_url)
    finally:
        proxy.close()
    hide_received(stack, WHOLE_VISIBILITY_SECONDS)
    until(lambda: is_done(stack), lambda: f"end of {stack.dead_letters()} dead letters")
    items = items_of(stack)
    assert sum(int(item["copies"]["N"]) for item in items) == len(held)
    assert {item["etag"]["S"] for item in items} == set(stack.uploaded().values())
    assert stack.csv() == model_csv(items)
    untroubled = MemoryStore()
    commit(make_ledger(untroubled, targets=Targets()), [event("INSERT", item) for item in items])
    assert stack.root()["tree"] == read_root(untroubled).tree_hash
