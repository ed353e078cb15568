"""`skyledger ddl` prints statements, and makes the list of shards that their table is over."""

import gzip
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from ledger.errors import Denied
from ledger.keys import SYMLINKS_KEY, plain_key
from ledger.ledger import Ledger
from ledger.row import header
from ledger.shard_list import shards_of
from operations.cli import deployment
from operations.readers.ddl import Engine, statements
from tests.support.aws_services import Services
from tests.support.command_line import Ran
from tests.support.factories import START, event, insert, item
from tests.support.reader import read_root, read_rows
from tests.support.store_calls import WatchedStore, refuse

Run = Callable[..., Ran]


def test_the_command_prints_statements_for_the_columns_of_the_bucket(skyledger: Run, ledger: Ledger) -> None:
    """Ready to be pasted."""
    commit(ledger, [event("INSERT", item(1))])
    printed = skyledger("ddl", "redshift").out
    assert "COPY images FROM 's3://exports/engines/redshift.json'" in printed
    assert skyledger("ddl", "athena", "--json").json["statements"] == statements(
        Engine.ATHENA,
        read_root(ledger.store).columns,
        "exports",  # type: ignore[arg-type]
    )


def test_the_statements_name_the_bucket_of_the_stack(
    skyledger: Run, filled: Ledger, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where only the stack is known, too."""
    monkeypatch.delenv("SKYLEDGER_BUCKET")
    assert "COPY images FROM 's3://exports/engines/redshift.json'" in skyledger("ddl", "redshift", "--stack", "sky").out


@pytest.mark.parametrize("engine", Engine)
def test_the_list_is_made_when_it_is_asked_for_and_stays_as_it_is_afterwards(
    engine: Engine, skyledger: Run, store: MemoryStore, filled: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator's doing: who has no list is told how there will be one, and nothing is written.

    Where there is one, all shards are not listed for it once more.
    """
    before = {*store.objects}
    ran = skyledger("ddl", engine)
    assert f"skyledger ddl {engine} --list" in ran.err
    assert {*store.objects} == before
    ran = skyledger("ddl", engine, "--list", "--json")
    assert (ran.json["list"], ran.json["made"]) == (f"s3://exports/{engine.list_key}", True)
    assert {*store.objects} == before | {engine.list_key}
    made = store.get(engine.list_key)
    assert b"s3://exports/shards/" in made.body
    assert made.metadata["root"] == read_root(store).name
    watched = WatchedStore(store)
    monkeypatch.setattr(deployment, "open_bucket", lambda bucket, arguments: watched)
    assert (skyledger("ddl", engine, "--list", "--json").json["made"], store.get(engine.list_key)) == (False, made)
    assert "list" not in watched.verbs()
    assert skyledger("ddl", engine).err == ""


def test_who_may_not_look_for_the_list_gets_the_statements(
    skyledger: Run, store: MemoryStore, filled: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 tells of what is not there only whom the bucket may be listed by: others get 403."""
    watched = WatchedStore(store)
    watched.on("head", SYMLINKS_KEY, refuse(Denied("403")))
    monkeypatch.setattr(deployment, "open_bucket", lambda bucket, arguments: watched)
    ran = skyledger("ddl", "athena")
    assert (ran.code, ran.err) == (0, "")
    assert "CREATE EXTERNAL TABLE" in ran.out


def test_a_list_names_no_shard_that_is_not_there(skyledger: Run, store: MemoryStore, ledger: Ledger) -> None:
    """What the first release wrote plain is compressed first; what somebody compressed already is left as it is."""
    root = commit(ledger, [insert(number) for number in range(60)]).root
    shards = list(shards_of(ledger, root))
    assert len(shards) > 3
    for shard in shards[1:]:
        stored, kind = store.objects.pop(shard)
        store.objects[plain_key(shard)] = (replace(stored, body=gzip.decompress(stored.body)), kind)
    kept, kind = store.objects[shards[0]]
    untouched = replace(kept, modified=START - timedelta(days=9))
    store.objects[shards[0]] = (untouched, kind)
    store.objects[plain_key(shards[0])] = (replace(untouched, body=gzip.decompress(kept.body)), kind)
    assert skyledger("ddl", "spark", "--list").code == 0
    assert store.get(SYMLINKS_KEY).body.decode().replace("s3://exports/", "").split() == shards
    rows = b"".join(gzip.decompress(store.get(shard).body) for shard in shards)
    assert header(root.columns) + rows == read_rows(store)
    assert store.get(shards[0]) == untouched
