"""`skyledger reread` has photos read again that an older reader has read, and then finds none."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from image_processor import handler as handler_module
from image_processor.columns import reader
from infra.doubles.image_files import png
from infra.doubles.memory_store import MemoryStore
from ledger import columns
from ledger.commit import commit
from ledger.ledger import Ledger
from ledger.manifest import encode_root
from ledger.publish import publish
from operations.bucket.prices import lane_usd
from tests.support.aws_services import Services
from tests.support.bucket_world import PHOTOS, World
from tests.support.command_line import Ran
from tests.support.factories import event, insert
from tests.support.reader import read_csv
from tests.support.reader_tables import give_sources

Run = Callable[..., Ran]
Items = dict[str, dict[str, Any]]


class Circle:
    """Photos in a bucket, the function that reads them, the ledger that its table feeds, and the lane back to it."""

    def __init__(self, ledger: Ledger, services: Services, world: World) -> None:
        self.ledger, self.services, self.world = ledger, services, world
        self._exported: Items = {}

    def upload(self, metadata: dict[str, str] | None = None, **photos: bytes) -> None:
        assert (
            self.world.deliver(*(self.world.put(key, body, Metadata=metadata or {}) for key, body in photos.items()))
            == []
        )
        self.export()

    def export(self) -> None:
        """Let the exporter see what changed in the table."""
        items, before = self.world.images, self._exported
        changed = [(before.get(etag), item) for etag, item in items.items() if before.get(etag) != item]
        if changed:
            commit(self.ledger, [event("MODIFY" if old else "INSERT", new, old) for old, new in changed])
        self._exported = items

    def forget_who_read(self, key: str) -> None:
        """Let a row be from before rows named their reader."""
        (etag,) = (etag for etag, item in self.world.images.items() if item["key"]["S"] == key)
        self.world.dynamodb.client.update_item(
            TableName="images-table",
            Key={"etag": {"S": etag}},
            UpdateExpression="REMOVE reader_version ADD revision :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )
        self.export()

    def work_off_the_lane(self) -> list[str]:
        """Let the function read what was sent; give the keys."""
        bodies = [body for queue, body in self.services.sent if queue == "seen"]
        self.services.sent.clear()
        assert self.world.invoke(*bodies) == []
        self.export()
        return sorted(json.loads(body)["detail"]["object"]["key"] for body in bodies)

    def upgrade(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reader, "READER", reader.READER + 1)
        monkeypatch.setattr(columns, "READER", columns.READER + 1)
        give_sources(monkeypatch, "TEXTS", "software", ("EXIF:Model",))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with mock_aws():
        world = World()
        monkeypatch.setattr(handler_module, "intake", lambda: world.intake)
        monkeypatch.setattr(handler_module.metrics.provider, "namespace", "Skyledger")
        monkeypatch.setattr(handler_module.metrics.provider, "service", "image-processor")
        yield world


@pytest.fixture
def circle(world: World, ledger: Ledger, services: Services) -> Circle:
    return Circle(ledger, services, world)


def test_after_an_upgrade_the_older_rows_are_read_again_and_only_they(
    circle: Circle, skyledger: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What changed is a new revision; a photo that says what it said gets one for the version, and then none more."""
    circle.upload(a=PHOTOS[0], b=png())
    circle.upload(copy=PHOTOS[0])
    assert skyledger("reread", "--older", "--stack", "sky", "--json").json["rows"] == 0
    circle.forget_who_read("b")
    circle.upgrade(monkeypatch)
    circle.upload(c=PHOTOS[1])
    before = circle.world.images

    dry = skyledger("reread", "--older", "--stack", "sky", "--dry-run", "--json").json
    assert (dry["rows"], dry["sent"], dry["usd"], circle.services.sent) == (2, 0, round(lane_usd(2), 2), [])
    assert skyledger("reread", "--older", "--stack", "sky", "--json").json["sent"] == 2
    assert circle.work_off_the_lane() == ["a", "b"]

    changed = {item["key"]["S"]: _changed(before[etag], item) for etag, item in circle.world.images.items()}
    assert changed == {"a": {"revision", "software", "reader_version"}, "b": {"revision", "reader_version"}, "c": set()}
    assert {item["reader_version"]["N"] for item in circle.world.images.values()} == {str(columns.READER)}
    again = skyledger("reread", "--older", "--stack", "sky", "--json").json
    assert (again["rows"], again["sent"], circle.services.sent) == (0, 0, [])

    rows, objects = circle.world.images, circle.world.objects
    assert skyledger("reread", "--all", "--stack", "sky", "--json").json["sent"] == 3
    assert circle.work_off_the_lane() == ["a", "b", "c"]
    assert circle.world.images == rows, "the same reader says the same: no revision, no event"
    assert circle.world.objects != objects, "that somebody has looked is known"


def test_a_ledger_of_the_version_before_takes_a_new_column_by_a_replay(
    circle: Circle, store: MemoryStore, skyledger: Run
) -> None:
    """What the table had learnt of it before is in the journal; rows from before are read again."""
    before = tuple(name for name in columns.NAMES if name != "user_metadata")
    root, etag = circle.ledger.load_root()
    circle.ledger.store.put_if_match(
        "manifest.json", encode_root(replace(root, columns=before)), etag, "application/json", {}
    )
    circle.upload({"site": "=?UTF-8?B?QnLDvGNrZQ==?="}, a=PHOTOS[0])
    publish(circle.ledger)
    assert csv_rows(store)[0].keys() == set(before)
    assert skyledger("replay", "--columns", "current", "--swap", "--processes", "1", "--json").code == 0
    (row,) = csv_rows(store)
    assert (list(row), row["user_metadata"]) == ([*columns.NAMES], '{"site":"Brücke"}')
    circle.upload({"formula": "x;=1+1"}, b=PHOTOS[1])
    publish(circle.ledger)
    assert csv_rows(store)[1]["user_metadata"] == r'{"formula":"x\u003b=1+1"}'


def csv_rows(store: MemoryStore) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(read_csv(store).decode(), newline="")))


def _changed(old: dict[str, Any], new: dict[str, Any]) -> set[str]:
    return {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "one of --all, --where EXPRESSION and --older"),
        (("--all", "--older"), "one of --all, --where EXPRESSION and --older"),
        (("--older", "--where", "iso > 1"), "one of --all, --where EXPRESSION and --older"),
        (("--where", "nonsense("), "--where"),
        (("--all", "--limit", "-1"), "--limit"),
    ],
)
def test_it_must_be_said_which_photos_and_in_one_way(
    options: tuple[str, ...], said: str, ledger: Ledger, services: Services, skyledger: Run
) -> None:
    """Nothing is sent by a command that was not understood."""
    commit(ledger, [insert(1)])
    ran = skyledger("reread", *options, "--stack", "sky")
    assert ran.code == 2
    assert said in ran.err
    assert services.sent == []


def test_a_csv_that_does_not_name_the_reader_has_to_learn_it_first(
    ledger: Ledger, store: MemoryStore, services: Services, skyledger: Run
) -> None:
    """After the upgrade that brought the column its rows are of the old columns: else every run would send them all."""
    commit(ledger, [insert(1)])
    root, etag = ledger.load_root()
    others = tuple(name for name in root.columns if name != "reader_version")
    ledger.store.put_if_match("manifest.json", encode_root(replace(root, columns=others)), etag, "application/json", {})
    ran = skyledger("reread", "--older", "--stack", "sky")
    assert ran.code == 2
    assert "no column reader_version" in ran.err
    assert "skyledger replay --columns current --swap" in ran.err


def test_limit_rate_and_folder_are_heeded(
    ledger: Ledger, services: Services, skyledger: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An option that is forgotten on the way says nothing."""
    commit(ledger, [insert(1), insert(2), insert(3)])
    given: dict[str, Any] = {}
    monkeypatch.setattr(
        "operations.bucket.reread.send",
        lambda _, queue, messages, **options: given.update(options, queue=queue, messages=len([*messages])),
    )
    arguments = ("--all", "--limit", "2", "--rate", "1.5", "--work", str(tmp_path / "work"))
    assert skyledger("reread", *arguments, "--stack", "sky").code == 0
    assert (given["queue"], given["messages"], given["rate"]) == ("seen", 2, 1.5)
    assert (tmp_path / "work" / "skyledger-exports-reread" / "image-data.csv").exists()


def test_rows_of_buckets_that_are_no_source_any_more_stay_as_they_are(
    ledger: Ledger, services: Services, skyledger: Run
) -> None:
    """ImageProcessor would drop them, and every later run send them again."""
    commit(ledger, [insert(1, bucket={"S": "photos"}), insert(2, bucket={"S": "elsewhere"})])
    ran = skyledger("reread", "--all", "--stack", "sky")
    assert [json.loads(body)["detail"]["bucket"]["name"] for _, body in services.sent] == ["photos"]
    ending = "; 1 are of no source any more; skyledger status shows what waits\n"
    assert ran.out == "2 of 2 rows chosen, 1 sent" + ending
    assert skyledger("reread", "--where", "false", "--stack", "sky").out == "0 of 2 rows chosen, 0 sent\n"
    assert "costs about $0.00" in skyledger("reread", "--where", "false", "--dry-run", "--stack", "sky").err
