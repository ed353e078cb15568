"""`skyledger redrive` merges what was put aside."""

import json
from collections.abc import Callable

from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from ledger.ledger import Ledger
from tests.support.aws_services import Services
from tests.support.command_line import Ran
from tests.support.factories import insert, item, model_csv
from tests.support.reader import read_csv

Run = Callable[..., Ran]


def test_redrive_merges_what_was_put_aside(
    skyledger: Run, ledger: Ledger, store: MemoryStore, services: Services
) -> None:
    """Batches, quarantine and dead letters, each with its numbers; what cannot be merged is named and stays."""
    commit(ledger, [insert(1), insert(2, ingested_at={"S": "never"})])
    batch = {"requestContext": {}, "payload": json.dumps({"Records": [insert(3)]})}
    store.put_new("aws/lambda/m/shardId-1/2026/11/25/x", json.dumps(batch).encode(), "application/json")
    ran = skyledger("redrive", "--stack", "sky", "--json")
    assert ran.code == 0
    assert (ran.json["batches"]["merged"], ran.json["quarantine"]["merged"], ran.json["images"]["resent"]) == (1, 0, 1)
    assert len(ran.json["quarantine"]["left"]) == 1
    assert ran.json["seen"]["resent"] == 1
    assert services.sent == [("queue", "event"), ("seen", "seen")], "each to where it came from"
    assert read_csv(store) == model_csv([item(1), item(3)])
    text = skyledger("redrive", "quarantine").out
    assert [line.split(":")[0] for line in text.splitlines() if not line.startswith(" ")] == ["quarantine"]
    bad = {"requestContext": {}, "payload": json.dumps({"Records": [insert(5, revision={"S": "bad"})]})}
    store.put_new("aws/lambda/m/shardId-1/2026/11/25/y", json.dumps(bad).encode(), "application/json")
    ran = skyledger("redrive")
    plain = ran.out
    assert "publishing image-data.csv" in ran.err
    assert [line.split(":")[0] for line in plain.splitlines() if not line.startswith(" ")] == ["batches", "quarantine"]
    assert [line for line in plain.splitlines() if line.startswith("  in quarantine: quarantine/")]
    assert "1 found" in text
    assert "ingested_at" in text
