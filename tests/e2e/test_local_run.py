"""The whole pipeline, through `./infra/run` and its own code: real photos in, image-data.csv out."""

import csv
import hashlib
import inspect
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, WaiterError

from infra.local.deploy import STACK, DeploymentError, deploy
from infra.local.emulator import REGION, Emulator, make_environment
from infra.local.servers import Server
from infra.local.stack import LocalStack
from infra.paths import HOME
from infra.survey.photos import survey
from infra.waiting import PATIENCE_SECONDS, until
from ledger.columns import COLUMNS
from ledger.publish import PUT_BELOW
from tests.support.factories import item
from tests.support.paths import PHOTOS, ROOT
from tests.support.readmes import blocks

real_photos = pytest.mark.skipif(not PHOTOS.is_dir(), reason=f"the photo collection is not at {PHOTOS}")


def rows_of(content: bytes) -> dict[str, dict[str, str]]:
    """Rows by their etag, none twice, below the right header."""
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))
    assert content.splitlines()[0].decode() == ",".join(f'"{column.name}"' for column in COLUMNS)
    by_etag = {row["etag"]: row for row in rows}
    assert len(by_etag) == len(rows)
    return by_etag


def run(home: Path, *arguments: str) -> str:
    """Run the command as a user does, and return what it printed."""
    command = [str(ROOT / "infra" / "run"), *arguments, "--once", "--home", str(home)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def is_image(path: Path) -> bool:
    """Whether a development photo is an image: ExifTool's word for the good ones, its first bytes for the bad ones."""
    expected = PHOTOS / "expected" / f"{path.relative_to(PHOTOS)}.json"
    if expected.exists():
        return str(json.loads(expected.read_text())["text"].get("File:MIMEType", "")).startswith("image/")
    head = path.read_bytes()[:12]
    return (
        head.startswith((b"\xff\xd8", b"\x89PNG", b"II*\0", b"MM\0*")) or head[4:8] in (b"ftyp",) or head[8:] == b"WEBP"
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that has seen one run on the development photos."""
    folder = tmp_path_factory.mktemp("home")
    run(folder, str(PHOTOS))
    return folder


@real_photos
def test_every_distinct_image_is_one_row(home: Path) -> None:
    """Copies of the same bytes share a row, and what is no image has none."""
    rows = rows_of((home / "image-data.csv").read_bytes())
    images: dict[str, list[str]] = {}
    for path in PHOTOS.rglob("*"):
        if path.is_file() and is_image(path):
            etag = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
            images.setdefault(etag, []).append(f"photos/{path.relative_to(PHOTOS).as_posix()}")
    missing = [keys for etag, keys in images.items() if etag not in rows]
    too_many = [row["key"] for etag, row in rows.items() if etag not in images]
    assert (missing, too_many) == ([], [])
    for etag, keys in images.items():
        assert rows[etag]["key"] in keys
        assert int(rows[etag]["copies"]) == len(keys)


@real_photos
def test_running_again_leaves_the_bytes_unchanged(home: Path) -> None:
    """Nothing is uploaded, read or written twice."""
    before = (home / "image-data.csv").read_bytes()
    printed = run(home, str(PHOTOS))
    assert (home / "image-data.csv").read_bytes() == before
    assert "\n0 of " in printed


def test_without_a_folder_there_is_a_survey_to_look_at(tmp_path: Path) -> None:
    """Real positions, heights and angles in the columns."""
    printed = run(tmp_path, "--photos", "6")
    rows = rows_of((tmp_path / "image-data.csv").read_bytes())
    assert len(rows) == 6
    assert "6 rows" in printed
    for row in rows.values():
        assert (row["make"], row["model"], row["content_type"]) == ("DJI", "FC6310S", "image/jpeg")
        assert 51.9 < float(row["gps_latitude_deg"]) < 51.95
        assert 55 < float(row["relative_altitude_m"]) < 65
        assert row["captured_at"].startswith("2026-06-21T12:00:")
        assert row["warnings"] == ""


@dataclass
class Followed:
    """A run of the command that is up, on a folder and a second bucket.

    Attributes:
        home: where its CSV is.
        folder: that it follows.
        log: what it printed so far.
    """

    home: Path
    folder: Path
    log: Path

    def csv(self) -> dict[str, dict[str, str]]:
        """Give the rows of its CSV."""
        return rows_of((self.home / "image-data.csv").read_bytes())

    def row_keys(self) -> list[str]:
        """Give the keys of its rows."""
        return sorted(row["key"] for row in self.csv().values())

    def told(self) -> str:
        """Give what it printed."""
        return self.log.read_text()

    def printed(self, pattern: str) -> str:
        """Give what it printed in the one place of a pattern."""
        (found,) = re.findall(pattern, self.told(), re.MULTILINE)
        return str(found)

    def add(self, name: str, seed: int) -> str:
        """Put a photo into the folder; give its ETag."""
        (photo,) = survey(1, seed=seed)
        (self.folder / name).write_bytes(photo.body)
        return hashlib.md5(photo.body, usedforsecurity=False).hexdigest()

    def shell(self, command: str) -> str:
        """Run a command as a user does in another terminal, after the line that the run printed; give its output."""
        source = self.printed(r"^  (source \S+)$")
        user = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
        ended = subprocess.run(
            ["bash", "-ec", f"{source}\n{command}"],
            cwd=ROOT,
            env={**user, "XDG_CACHE_HOME": str(self.home / "cache")},
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert ended.returncode == 0, f"{command}: {ended.returncode}\n{ended.stdout}{ended.stderr}"
        return ended.stdout

    def skyledger(self, arguments: str) -> str:
        """Run `skyledger`, and answer yes where it asks."""
        asks = "yes" in inspect.signature(import_module(f"operations.cli.{arguments.split()[0]}").command).parameters
        return self.shell(f"skyledger {arguments}{' --yes' * asks}")


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    """A run on two photos, a text that is called a photo and a name that is no text; ended as by Ctrl-C."""
    home = tmp_path_factory.mktemp("home")
    run = Followed(home, home / "site", home / "log")
    run.folder.mkdir()
    for number in (1, 2):
        run.add(f"{number}.jpg", seed=20 + number)
    (run.folder / "notes.jpg").write_text("not an image")
    (home / "site" / os.fsdecode(b"latin\xe9.jpg")).write_bytes(b"")
    command = [str(ROOT / "infra" / "run"), str(run.folder), "--bucket", "inbox", "--home", str(home)]
    with Server(command, log=run.log) as server:
        server.wait_until(lambda: "Operate it from" in run.told() and "skyledger ingest" in run.told())
        yield run
        os.kill(server.pid, signal.SIGTERM)  # as Ctrl-C, which is ignored where a shell runs tests in the background
        until(lambda: not server.running, "end of the run")
    assert run.told().endswith("Ended.\n")


def test_a_run_names_what_has_no_row_and_why(followed: Followed) -> None:
    """On the screen, one line each, and in a file; and it says how it is operated, in lines that can be pasted."""
    told = followed.told()
    assert "3 of 3 files uploaded now; 3 objects in 2 buckets, 2 images" in told
    for line in (
        f"  {followed.folder}/latin\\xe9.jpg: its name is not UTF-8, which keys in S3 are",
        "  site/notes.jpg: no image: text",
    ):
        assert f"\n{line}\n" in told
        assert line in (followed.home / "image-data-notes.txt").read_text().splitlines()
    assert re.search(r"CSV is current .* 3/3 ", told)
    pasted = told[told.index("Operate it from") :].splitlines()[1:]
    assert max(map(len, pasted)) <= 80


def test_a_run_follows_what_anybody_puts_into_another_bucket(followed: Followed) -> None:
    """It becomes a row of the CSV and can be seen on the page."""
    page = followed.printed(r"^Page: (\S+)$")
    assert followed.printed(r"and the buckets (skyledger-imagesbucket-\w+, inbox);")
    (photo,) = survey(1, seed=16)
    endpoint = followed.printed(r"^Pipeline up at (\S+)$")
    s3 = boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION
    )
    etag = s3.put_object(Bucket="inbox", Key="somebody's.jpg", Body=photo.body)["ETag"].strip('"')
    row = until(lambda: followed.csv().get(etag), "row of somebody's photo")
    assert (row["bucket"], row["key"]) == ("inbox", "somebody's.jpg")
    with urllib.request.urlopen(f"{page}photo/{row['ingested_at']}%2C{etag}") as seen:
        assert seen.read() == photo.body


def test_a_run_follows_its_folder(followed: Followed) -> None:
    """A new file, a renamed one, which keeps its row, and a removed one; what is no image is named."""
    added = followed.add("3.jpg", seed=23)
    (followed.folder / "more.txt").write_text("x")
    life = until(lambda: followed.csv().get(added), "row of the new file")["ingested_at"]
    until(lambda: "site/more.txt has no row: no image: text\n" in followed.told(), "line on the text")
    (followed.folder / "3.jpg").rename(followed.folder / "renamed.jpg")
    until(lambda: "site/renamed.jpg" in followed.row_keys(), "row of the renamed file")
    assert (followed.csv()[added]["ingested_at"], followed.csv()[added]["copies"]) == (life, "1")
    (followed.folder / "renamed.jpg").unlink()
    until(lambda: added not in followed.csv(), "end of the row")
    assert {"site/1.jpg", "site/2.jpg"} <= set(followed.row_keys())


def test_the_drills_of_operators_can_be_practised(followed: Followed) -> None:
    """Every command that README names for them, as it stands there, and the way back to an earlier time."""
    gone = followed.add("gone.jpg", seed=24)
    until(lambda: gone in followed.csv(), "row of the photo that will go")
    time.sleep(1)  # the journal knows whole seconds
    before, keys = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), followed.row_keys()
    time.sleep(1)
    (followed.folder / "gone.jpg").unlink()
    until(lambda: gone not in followed.csv(), "end of the row")

    assert "disabled" in followed.skyledger("stream off")
    off = "The stream is off"
    until(lambda: off in followed.told(), "line on the stream")
    late = followed.add("late.jpg", seed=25)
    until(lambda: " 1 uploaded\n" in followed.told().partition(off)[2], "upload that waits in the stream")
    followed.skyledger(f"restore --to {before}")
    until(lambda: followed.row_keys() == keys, "rows of the earlier time")
    followed.skyledger("verify tree csv")
    followed.skyledger("restore --undo")
    until(lambda: gone not in followed.csv(), "rows as they were before")
    assert late not in followed.csv()
    followed.skyledger("stream on")
    until(lambda: late in followed.csv(), "row of what had waited")

    etags = {"history": late, "forget": gone}
    ((_, block),) = blocks(ROOT / "README.md", "Operate")
    commands = re.findall(r"^\$ skyledger (.+?) +#", block, re.MULTILINE)
    assert len(commands) >= 13
    for command in commands:
        told = followed.skyledger(command.replace("TIME", before).replace("ETAG", etags.get(command.split()[0], "")))
        if command == "status":
            assert re.search(r"^stream +Enabled", told, re.MULTILINE)
            assert "->" not in told
        if command.startswith("restore"):
            followed.skyledger("restore --undo")
    assert late in followed.csv()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A running stack on which every request needs a permission that the template grants."""
    with LocalStack(data=tmp_path_factory.mktemp("stack"), check_permissions=True) as running:
        yield running


def published(stack: LocalStack) -> dict[str, dict[str, str]]:
    stack.wait_until_current()
    return rows_of(stack.csv())


def put(stack: LocalStack, key: str, body: bytes) -> str:
    return str(stack.s3.put_object(Bucket=stack.deployment.images_bucket, Key=key, Body=body)["ETag"].strip('"'))


def delete(stack: LocalStack, key: str) -> None:
    stack.s3.delete_object(Bucket=stack.deployment.images_bucket, Key=key)


def logged(stack: LocalStack, group: str) -> list[dict[str, Any]]:
    """Read a function's log lines, by its log group in the template."""
    resources = stack.emulator.client("cloudformation")
    found = resources.describe_stack_resource(StackName=STACK, LogicalResourceId=group)["StackResourceDetail"]
    pages = stack.emulator.client("logs").get_paginator("filter_log_events")
    events = [e for page in pages.paginate(logGroupName=found["PhysicalResourceId"]) for e in page["events"]]
    return [json.loads(e["message"]) for e in events if e["message"].startswith('{"level"')]


def test_an_empty_system_has_a_csv_with_the_header_alone(stack: LocalStack) -> None:
    """Whoever reads right after deployment finds a CSV, and its description beside it."""
    assert rows_of(stack.csv()) == {}
    objects = stack.s3.list_objects_v2(Bucket=stack.deployment.export_bucket)["Contents"]
    assert {"image-data.csv", "image-data.csv-metadata.json", "manifest.json"} <= {each["Key"] for each in objects}


def test_one_bucket_for_images_and_exports_is_refused(stack: LocalStack) -> None:
    """Before anything is made, in the template's own words."""
    with pytest.raises(DeploymentError, match="ImagesBucketName and ExportBucketName must differ"):
        deploy(stack.emulator, HOME / "bundle", {"ImagesBucketName": "the-same", "ExportBucketName": "the-same"})


def test_a_photos_whole_life_shows_in_the_csv(stack: LocalStack) -> None:
    """Created, copied, overwritten and deleted; deleting all brings back the header alone."""
    first, second = (photo.body for photo in survey(2, seed=11))
    etag = put(stack, "life/one.jpg", first)
    assert published(stack)[etag]["key"] == "life/one.jpg"

    stack.s3.copy_object(
        Bucket=stack.deployment.images_bucket,
        Key="life/two.jpg",
        CopySource={"Bucket": stack.deployment.images_bucket, "Key": "life/one.jpg"},
    )
    rows = published(stack)
    assert (list(rows), rows[etag]["copies"]) == ([etag], "2")

    delete(stack, "life/one.jpg")
    rows = published(stack)
    assert (rows[etag]["key"], rows[etag]["copies"]) == ("life/two.jpg", "1")

    other = put(stack, "life/two.jpg", second)
    assert list(published(stack)) == [other]

    delete(stack, "life/two.jpg")
    assert published(stack) == {}


def test_keys_reach_the_csv_as_their_owner_wrote_them(stack: LocalStack) -> None:
    """S3 encodes keys in its events; they are decoded once, on creation and on removal."""
    keys = ["site 7/a b + c.jpg", "100%25.jpg", "5%3A00.jpg", "dt=2024-05-04/x(CE)&#.jpg", "Brücke/測量 😀.jpg"]
    for key, photo in zip(keys, survey(len(keys), seed=12), strict=True):
        put(stack, key, photo.body)
    assert sorted(row["key"] for row in published(stack).values()) == sorted(keys)
    for key in keys:
        delete(stack, key)
    assert published(stack) == {}


def test_what_is_no_image_makes_no_row_and_no_dead_letter(stack: LocalStack) -> None:
    """Text by the name of a photo, a folder's placeholder, S3's own test message."""
    put(stack, "notes.jpg", b"not an image at all")
    put(stack, "folder/", b"")
    assert published(stack) == {}
    assert stack.dead_letters() == 0


def test_a_large_csv_is_made_by_the_publisher_whom_the_exporter_calls(stack: LocalStack) -> None:
    """Above 8 MiB it is an upload of parts, by a function with rights of its own; nobody's claim stays behind."""
    tables = stack.emulator.client("dynamodb")
    wide = {"exif": {"S": '{"a": "' + "x" * 300_000 + '"}'}}
    for number in range(40):
        tables.put_item(TableName=stack.deployment.images_table, Item=item(10_000 + number, **wide))
    assert len(published(stack)) >= 40
    store = stack.export_store()
    large = store.head("image-data.csv")
    assert large.size > PUT_BELOW
    assert "-" in stack.csv_version()
    assert not [*store.list("publishing/")]

    def lines() -> list[dict[str, Any]]:
        return [line for line in logged(stack, "CsvPublisherLogs") if line["message"] == "published"]

    until(lambda: str(large.metadata["version"]) in {str(line["version"]) for line in lines()}, "the publisher's line")
    assert any(line["claim"].startswith("publishing/") for line in lines()), "the exporter called, not the schedule"
    by_exporter = {
        line.get("published") for line in logged(stack, "CsvExporterLogs") if line["message"] == "batch committed"
    }
    assert int(large.metadata["version"]) not in by_exporter
    tables.put_item(TableName=stack.deployment.images_table, Item=item(10_000, 2))
    assert rows_of(stack.csv()) != published(stack)


def test_the_exporters_role_cannot_read_the_tables(stack: LocalStack) -> None:
    """Neither at large nor one item; and the processor's cannot touch the exports."""
    functions = stack.emulator.client("lambda")

    def client(function: str, service: str) -> Any:
        role = functions.get_function_configuration(FunctionName=function)["Role"]
        keys = stack.emulator.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        return stack.emulator.client(
            service,
            credentials=(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]),
        )

    table = {"TableName": stack.deployment.images_table}
    tables = client(stack.deployment.csv_exporter, "dynamodb")
    attempts = {
        "scan": table,
        "query": {**table, "KeyConditionExpression": "etag = :e", "ExpressionAttributeValues": {":e": {"S": "a"}}},
        "get_item": {**table, "Key": {"etag": {"S": "a"}}},
        "batch_get_item": {"RequestItems": {stack.deployment.images_table: {"Keys": [{"etag": {"S": "a"}}]}}},
    }
    for call, request in attempts.items():
        with pytest.raises(ClientError, match="AccessDenied"):
            getattr(tables, call)(**request)
    exports = client(stack.deployment.image_processor, "s3")
    with pytest.raises(ClientError, match=r"AccessDenied|Forbidden"):
        exports.get_object(Bucket=stack.deployment.export_bucket, Key="image-data.csv")


def test_a_restart_keeps_everything_and_doubles_nothing(tmp_path: Path) -> None:
    """The stream is read from its oldest record again; the merge takes what it knows for what it is."""
    photos = [photo.body for photo in survey(4, seed=13)]
    with LocalStack(data=tmp_path) as stack:
        for number, body in enumerate(photos[:3]):
            put(stack, f"{number}.jpg", body)
        stack.wait_until_current()
        before = stack.csv()
    with LocalStack(data=tmp_path) as stack:
        assert stack.emulator.put_aside is None
        stack.wait_until_current()
        assert stack.csv() == before
        put(stack, "3.jpg", photos[3])
        delete(stack, "0.jpg")
        assert len(published(stack)) == 3


UPLOAD_AND_DIE = """
import os, signal, sys
from pathlib import Path
from infra.local.stack import LocalStack
from infra.survey.photos import survey
from infra.waiting import PATIENCE_SECONDS
stack = LocalStack(data=Path(sys.argv[1]))
for photo in survey(8, seed=14):
    stack.s3.put_object(Bucket=stack.deployment.images_bucket, Key=photo.key, Body=photo.body)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_run_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    """The emulator outlives it with all that was under way; the next run takes it over."""
    killed = subprocess.run(
        [sys.executable, "-c", UPLOAD_AND_DIE, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    with LocalStack(data=tmp_path) as stack:
        assert stack.emulator.put_aside is None
        assert len(published(stack)) == 8


def test_after_a_hard_end_of_the_emulator_the_stack_begins_anew(tmp_path: Path) -> None:
    """Its tables went back to their last save while its objects did not; such data is put aside, not used."""
    with LocalStack(data=tmp_path) as stack:
        put(stack, "photo.jpg", next(survey(1, seed=15)).body)
        assert len(published(stack)) == 1
        os.kill(stack.emulator.pid, signal.SIGKILL)
    with LocalStack(data=tmp_path) as stack:
        assert stack.emulator.put_aside is not None
        assert published(stack) == {}


def test_a_deployment_that_failed_is_made_again(tmp_path: Path) -> None:
    """Nobody has to clear away by hand what a first try left."""
    broken = {"Resources": {"Broken": {"Type": "Custom::Broken", "Properties": {"ServiceToken": "nobody"}}}}
    with Emulator(make_environment(), tmp_path) as emulator:
        cloudformation = emulator.client("cloudformation")
        cloudformation.create_stack(StackName=STACK, TemplateBody=json.dumps(broken))
        with pytest.raises(WaiterError):
            cloudformation.get_waiter("stack_create_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
        assert deploy(emulator, HOME / "bundle", {}).csv_exporter
