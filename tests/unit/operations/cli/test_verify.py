"""`skyledger verify` says in its exit code whether the CSV is proven."""

from collections.abc import Callable

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.ledger import Ledger
from operations.verify import findings
from tests.support.command_line import Ran

Run = Callable[..., Ran]
ONE = ("--processes", "1")


def test_verify_exits_with_one_when_something_differs(
    skyledger: Run, filled: Ledger, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Good is 0, different is 1, and every difference is told with its etag."""
    good = skyledger("verify", *ONE)
    assert good.code == 0
    assert [line.split(":")[0] for line in good.out.splitlines()] == ["tree", "csv", "journal"]
    stored, kind = store.objects["image-data.csv"]
    other = f"site/{'x' * 70}.jpg"
    body = stored.body.replace(b"site/1.jpg", other.encode())
    store.objects["image-data.csv"] = (type(stored)(body, "0-1", stored.metadata, len(body)), kind)
    bad = skyledger("verify", "csv", "--json")
    assert bad.code == 1
    assert bad.json["csv"]["differences"] == [
        {
            "etag": f"{1:032x}",
            "ingested_at": "2026-11-25T08:00:00.001000Z",
            "tree": {"key": "site/1.jpg"},
            "csv": {"key": other},
        }
    ]
    both = skyledger("verify", "tree", "csv")
    assert (both.code, [line.split(" (")[0] for line in both.out.splitlines()[:2]]) == (
        1,
        ["tree: good", "csv: NOT GOOD"],
    )
    assert f"{1:032x}  tree: key=site/1.jpg  csv: key={other[:60]}\n" in both.out
    assert "more" not in both.out
    monkeypatch.setattr(findings, "LISTED", 1)
    header = body.splitlines(keepends=True)[0]
    store.objects["image-data.csv"] = (type(stored)(header, "0-1", stored.metadata, len(header)), kind)
    told = skyledger("verify", "csv").out.splitlines()
    shown = f"etag={1:032x}, revision=1, bucket=photos, key=site/1.jpg, size_bytes="
    assert told[1].startswith(f"  {1:032x}  tree: ingested_at=2026-11-25T08:00:00.001000Z, {shown}")
    assert told[1].endswith("  csv: absent")
    assert told[2:] == ["  and 1 more"]
