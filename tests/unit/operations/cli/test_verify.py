"""`skyledger verify` says in its exit code whether the CSV is proven."""

from collections.abc import Callable

from infra.doubles.memory_store import MemoryStore
from ledger.ledger import Ledger
from tests.support.command_line import Ran

Run = Callable[..., Ran]
ONE = ("--processes", "1")


def test_verify_exits_with_one_when_something_differs(skyledger: Run, filled: Ledger, store: MemoryStore) -> None:
    """Good is 0, different is 1, and every difference is told with its etag."""
    good = skyledger("verify", *ONE)
    assert good.code == 0
    assert [line.split(":")[0] for line in good.out.splitlines()] == ["tree", "csv", "journal"]
    stored, kind = store.objects["image-data.csv"]
    body = stored.body.replace(b"site/1.jpg", b"site/x.jpg")
    store.objects["image-data.csv"] = (type(stored)(body, "0-1", stored.metadata, len(body)), kind)
    bad = skyledger("verify", "csv", "--json")
    assert bad.code == 1
    assert bad.json["csv"]["differences"] == [
        {
            "etag": f"{1:032x}",
            "ingested_at": "2026-11-25T08:00:00.001000Z",
            "tree": {"key": "site/1.jpg"},
            "csv": {"key": "site/x.jpg"},
        }
    ]
    assert f"{1:032x}  tree: key=site/1.jpg  csv: key=site/x.jpg" in skyledger("verify", "csv").out
