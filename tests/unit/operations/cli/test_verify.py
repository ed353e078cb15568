"""`skyledger verify` says in its exit code whether the CSV is proven."""

from collections.abc import Callable

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.ledger import Ledger
from ledger.manifest import Root
from operations.cli import verify
from operations.progress import Progress
from operations.verify import findings
from operations.verify.findings import Findings
from operations.verify.published import check_tree_and_csv
from tests.support.command_line import Ran

Run = Callable[..., Ran]
ONE = ("--processes", "1")


def test_verify_exits_with_one_when_something_differs(
    skyledger: Run, filled: Ledger, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Good is 0, different is 1, and every difference is told with its etag."""
    good = skyledger("verify", *ONE)
    assert good.code == 0
    assert [line.split(":")[0] for line in good.out.splitlines()] == ["tree", "csv", "journal", "not looked at"]
    assert good.out.splitlines()[-1].endswith("table and images; skyledger verify table, skyledger verify bucket")
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


def test_a_problem_is_told_and_a_check_named_twice_is_made_once(
    skyledger: Run, filled: Ledger, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not as it should be stands below its check, a line each."""
    made: list[Ledger] = []

    def check(ledger: Ledger, root: Root, progress: Progress) -> tuple[Findings, Findings]:
        made.append(ledger)
        return check_tree_and_csv(ledger, root, progress)

    monkeypatch.setattr(verify, "check_tree_and_csv", check)
    store.delete(["image-data.csv"])
    ran = skyledger("verify", "csv", "tree", "csv")
    assert (ran.code, len(made)) == (1, 1)
    assert [line.split(" (")[0] for line in ran.out.splitlines()] == [
        "csv: NOT GOOD",
        "  there is no image-data.csv",
        "tree: good",
    ]
