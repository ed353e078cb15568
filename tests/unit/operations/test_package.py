"""The package as others see it, and as functions on Lambda load it."""

import importlib
import pkgutil
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

import operations
from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from tests.support.factories import insert, item, make_ledger, model_csv
from tests.support.paths import ROOT

HANDLERS = sorted(set(re.findall(r"Handler: (operations[\w.]*)\.\w+$", (ROOT / "template.yaml").read_text(), re.M)))
assert HANDLERS, "the template names handlers of this package"
FOR_PEOPLE = {"duckdb", "rich", "typer", "xlsxwriter"}


def modules_after(statement: str) -> set[str]:
    """Name what a fresh interpreter has loaded after a statement."""
    ended = subprocess.run(
        [sys.executable, "-c", f"{statement}\nimport sys\nprint(*sys.modules)"],
        cwd=ROOT / "functions",
        capture_output=True,
        text=True,
        check=True,
    )
    return set(ended.stdout.split())


def test_its_face_is_what_it_says() -> None:
    """Every name is there, under the name of its home."""
    assert sorted(operations.__all__) == sorted(operations._HOMES)
    for name, home in operations._HOMES.items():
        assert getattr(operations, name) is getattr(importlib.import_module(home), name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = operations.nothing


def test_a_ledger_is_operated_from_python(store: MemoryStore, tmp_path: Path) -> None:
    """Look, rebuild, prove, copy: with no more than the names of the face."""
    ledger = make_ledger(store)
    commit(ledger, [insert(1), insert(2)])
    scratch = operations.FolderScratch(tmp_path / "scratch")
    wishes = operations.Wishes(keep="nothing")
    rebuild, _ = operations.replay_for(ledger, scratch, wishes, operations.Purpose())
    assert operations.read_status(ledger, datetime.now(UTC)).tree == rebuild.root.tree_hash
    assert operations.check_tree(ledger, ledger.load_root()[0]).good
    operations.pull(ledger, tmp_path)
    assert (tmp_path / "image-data.csv").read_bytes() == model_csv([item(1), item(2)])
    assert len(operations.read_history(ledger, "site/1.jpg").steps) == 1


def test_every_room_says_what_it_is_for() -> None:
    """A package of ours has a docstring; so has each of its modules."""
    names = [module.name for module in pkgutil.walk_packages(operations.__path__, "operations.")]
    assert len(names) > 50
    assert [name for name in names if not importlib.import_module(name).__doc__] == []


def test_the_face_itself_loads_nothing() -> None:
    """Whoever imports one room gets that room."""
    assert {name for name in modules_after("import operations") if name.startswith(("operations.", "ledger"))} == set()


def test_no_function_on_lambda_loads_anything_that_only_people_need() -> None:
    """These are not even in its zip; and they would cost a cold start a second."""
    loaded = modules_after(f"import {', '.join(HANDLERS)}")
    assert loaded >= set(HANDLERS)
    assert loaded & FOR_PEOPLE == set()
