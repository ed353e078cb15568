"""The schedule of CsvPublisher tells each minute for how long the CSV has lacked a commit without a reason."""

import json
from datetime import timedelta
from typing import Any

import pytest

from csv_exporter import handler as exporter
from csv_exporter import publisher
from infra.doubles.memory_store import MemoryStore
from ledger import pace
from ledger.claim import claim_key
from ledger.commit import commit
from ledger.ledger import Ledger
from ledger.pace import cost_of, explained
from ledger.publish import publish
from tests.support.factories import START, insert, make_ledger
from tests.support.lambda_context import LambdaContext


class Minutes:
    """A ledger whose CSV lacks a commit since START, and which somebody claims to publish."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.seconds = 0.0
        self._capsys = capsys
        self.ledger: Ledger = make_ledger(MemoryStore(now=lambda: START + timedelta(seconds=self.seconds)))
        self.ledger.now = lambda: START.timestamp() + self.seconds
        publish(self.ledger)
        commit(self.ledger, [insert(1)])

    def claim(self) -> None:
        self.ledger.store.put_new(claim_key(self.ledger.present_csv()), b"somebody", "text/plain")

    def sweep(self, after: float) -> dict[str, Any]:
        """Let the schedule come so many seconds after the commit, and give what was measured."""
        self.seconds = after
        publisher.handler({"source": publisher.SCHEDULE, "id": "x"}, LambdaContext())
        (line,) = self._capsys.readouterr().out.splitlines()
        told: dict[str, Any] = json.loads(line)
        return {name: told[name] for name in ("FileOverdue", "FileAge", "BatchesPublished") if name in told}


@pytest.fixture
def minutes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Minutes:
    made = Minutes(capsys)
    monkeypatch.setattr(exporter, "_ledger", made.ledger)
    monkeypatch.setattr(publisher.metrics.provider, "namespace", "Skyledger")
    monkeypatch.setattr(publisher.metrics.provider, "service", "CsvExporter")
    publisher.metrics.provider.clear_metrics()
    return made


def test_a_csv_is_overdue_when_neither_its_size_nor_the_schedule_explains_it(minutes: Minutes) -> None:
    """Two publishes and a minute; what somebody is at may be overdue as well, and what is published is not."""
    minutes.claim()
    assert minutes.sweep(60) == {"BatchesPublished": [0]}
    (overdue,) = minutes.sweep(400)["FileOverdue"]
    assert overdue == pytest.approx(400 - 61, abs=0.1)
    assert "FileOverdue" in minutes.sweep(800), "the owner of the claim may live"
    told = minutes.sweep(1000)
    assert (told["BatchesPublished"], told["FileAge"]) == ([0, 1], [1000]), "he is dead"
    assert minutes.sweep(2000) == {"BatchesPublished": [0]}


def test_a_larger_csv_may_be_older(monkeypatch: pytest.MonkeyPatch) -> None:
    """330 GB take S3 two minutes and a half: one publish that is under way, and one that shows the commit."""
    assert 300 < explained(330 * 10**9) - 60 < 310
    assert explained(10**6) < 62
    monkeypatch.setattr(pace, "DOLLARS_PER_DAY", 1.0)
    size = 33 * 10**9
    assert explained(size) == pytest.approx(2 * cost_of(size).seconds + pace.interval(size, 1.0) + 60)


def test_a_csv_that_waits_for_the_days_money_is_looked_after(minutes: Minutes, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is what the parameter asks for, so neither alarm is to tell of it; beyond it they do."""
    monkeypatch.setattr(pace, "interval", lambda size, dollars: 3600.0)
    monkeypatch.setattr(pace, "DOLLARS_PER_DAY", 1.0)
    assert minutes.sweep(1800) == {"BatchesPublished": [0, 1]}
    minutes.claim()
    assert minutes.sweep(3700)["FileOverdue"] == [pytest.approx(39, abs=0.1)]


def test_no_csv_is_overdue_that_says_nothing_of_itself(minutes: Minutes) -> None:
    """One that is gone is made; how long it has been gone nobody knows."""
    minutes.ledger.store.delete(["image-data.csv"])
    assert minutes.sweep(5000) == {"BatchesPublished": [0, 1], "FileAge": [5000]}
