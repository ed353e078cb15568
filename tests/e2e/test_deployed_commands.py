"""The `skyledger` command on the deployed stack, where every request needs a permission that the template grants."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.stack import LocalStack
from infra.survey.photos import survey
from tests.support.deployed_command import skyledger

PHOTOS = 12


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A running stack with a small survey in its CSV."""
    with LocalStack(data=tmp_path_factory.mktemp("stack"), check_permissions=True) as running:
        for photo in survey(PHOTOS, seed=1):
            running.s3.put_object(Bucket=running.deployment.images_bucket, Key=photo.key, Body=photo.body)
        running.wait_until_current()
        yield running


def test_status_knows_the_whole_deployment(stack: LocalStack, tmp_path: Path) -> None:
    """Bucket, dead letters and stream are found by the stack's name, and nothing is to be done."""
    told = skyledger(stack, tmp_path, "status")
    assert (told["rows"], told["published"], told["dead_letters"], told["failed_batches"]) == (PHOTOS, True, 0, 0)
    assert told["tree"] == stack.root()["tree"]


def test_the_state_machine_replays_the_journal(stack: LocalStack, tmp_path: Path) -> None:
    """First only to compare, then to swap in a tree with other targets; its children could not swap."""
    same = skyledger(stack, tmp_path, "replay", "--distributed")
    assert (same["same"], same["rows"]) == (True, PHOTOS)
    before = stack.csv()
    swapped = skyledger(stack, tmp_path, "replay", "--distributed", "--swap", "--shard-bytes", "5000")
    root = stack.root()
    assert root["targets"]["shard_bytes"] == 5000
    assert (swapped["version"], swapped["tree"]) == (root["version"], root["tree"])
    assert stack.csv() == before
    leavings = stack.s3.list_objects_v2(Bucket=stack.deployment.export_bucket, Prefix="replay/")
    assert not leavings.get("Contents")


def test_everything_is_proven_and_exporters_go_on(stack: LocalStack, tmp_path: Path) -> None:
    """After the swap a new photo is merged as ever, and tree, CSV, table and journal agree."""
    (photo,) = survey(1, seed=99)
    stack.s3.put_object(Bucket=stack.deployment.images_bucket, Key="late.jpg", Body=photo.body)
    stack.wait_until_current()
    told = skyledger(stack, tmp_path, "verify", "tree", "csv", "table", "journal", "--processes", "1")
    assert told["good"]
    assert told["table"]["checked"]["items"] == PHOTOS + 1
    assert told["journal"]["checked"]["tree"] == told["journal"]["checked"]["journal"]
    assert skyledger(stack, tmp_path, "history", "late.jpg")["rows"][0]["key"] == "late.jpg"
    assert skyledger(stack, tmp_path, "redrive")["images"]["found"] == 0
