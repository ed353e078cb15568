"""What is sent to the lane: each object once and whole, at a rate, and counted only when it was surely sent."""

import json
from datetime import UTC, datetime
from threading import Lock
from typing import Any

import pytest

from ledger.errors import Unavailable
from operations.bucket.lane import seen_message, send
from operations.bucket.lines import Listed
from tests.support.odd_keys import ODD_KEYS

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


class Queue:
    """A queue that takes some messages of a batch only at a later try (API reference, SendMessageBatch)."""

    def __init__(self, refusals: int = 0, most: int = 10**9) -> None:
        self.bodies: list[str] = []
        self.calls = 0
        self._refusals, self._most, self._lock = refusals, most, Lock()

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        """Take what is not refused."""
        assert QueueUrl == "lane"
        assert 1 <= len(Entries) <= 10
        assert len({one["Id"] for one in Entries}) == len(Entries)
        with self._lock:
            self.calls += 1
            if self.calls > self._most:
                raise KeyboardInterrupt
            refused = [one for one in Entries if int(one["MessageBody"]) % 3 == 0] if self._refusals > 0 else []
            self._refusals -= bool(refused)
            self.bodies += [one["MessageBody"] for one in Entries if one not in refused]
        error = {"SenderFault": False, "Code": "InternalError"}
        return {"Failed": [{"Id": one["Id"], **error} for one in refused]} if refused else {"Successful": []}


def test_a_message_is_ascii_and_has_the_key_as_it_is() -> None:
    """SQS takes no U+FFFF, nor most control characters; what is not known is left out."""
    for key in ODD_KEYS:
        text = seen_message("photos", key, Listed("e-1", 5, ""), "ingest", NOW)
        assert text.isascii()
        assert text.isprintable()
        assert len(text) < 8000
        assert json.loads(text) == {
            "source": "skyledger",
            "detail-type": "Object Seen",
            "time": "2026-11-26T12:00:00Z",
            "detail": {
                "bucket": {"name": "photos"},
                "object": {"key": key, "etag": "e-1", "size": 5},
                "reason": "ingest",
            },
        }
    for listed, entity in ((None, {}), (Listed("", None, ""), {}), (Listed("", 0, ""), {"size": 0})):
        told = json.loads(seen_message("b", "k", listed, "verify", NOW))["detail"]
        assert told == {"bucket": {"name": "b"}, "object": {"key": "k"} | entity, "reason": "verify"}


def test_every_message_is_sent_and_those_that_were_refused_once_more() -> None:
    """Only those; the pauses grow, and what was sent is told as a number of first messages."""
    queue, told, waits = Queue(refusals=5), [], []
    assert send(queue, "lane", map(str, range(95)), sent=told.append, sleep=waits.append) == 95
    assert sorted(map(int, queue.bodies)) == [*range(95)]
    assert queue.calls == 15
    assert told == [*range(10, 91, 10), 95]
    assert len(waits) == 5
    assert min(waits) > 0


def test_a_queue_that_never_takes_a_message_ends_it_and_what_was_sent_before_is_known() -> None:
    """So that it goes on there."""
    queue, told, waits = Queue(refusals=10**6), [], []
    with pytest.raises(Unavailable, match="InternalError"):
        send(queue, "lane", ["1", "2"] * 5 + ["3"], sent=told.append, sleep=waits.append)
    assert (told, waits) == ([10], sorted(waits))
    assert len(waits) == 7


def test_what_an_interruption_leaves_was_not_counted() -> None:
    """A number of first messages, never more than were taken."""
    queue, told = Queue(most=7), []
    with pytest.raises(KeyboardInterrupt):
        send(queue, "lane", map(str, range(1, 4000, 3)), sent=told.append)
    taken = {*map(int, queue.bodies)}
    assert {*range(1, 1 + 3 * told[-1], 3)} <= taken if told else True
    assert len(taken) == 70


def test_the_rate_is_kept() -> None:
    """A thousand messages at a hundred a second take ten seconds, but for the last batch; no batch comes early."""
    now = [0.0]
    waits = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    send(Queue(), "lane", map(str, range(1000)), rate=100, clock=lambda: now[0], sleep=sleep)
    assert now[0] == pytest.approx(9.9)
    assert max(waits) == pytest.approx(0.1)
