"""`skyledger ddl` prints statements."""

from collections.abc import Callable

import pytest

from ledger.commit import commit
from ledger.ledger import Ledger
from operations.readers.ddl import Engine, statements
from tests.support.aws_services import Services
from tests.support.command_line import Ran
from tests.support.factories import event, item
from tests.support.reader import read_root

Run = Callable[..., Ran]


def test_the_command_prints_statements_for_the_columns_of_the_bucket(skyledger: Run, ledger: Ledger) -> None:
    """Ready to be pasted."""
    commit(ledger, [event("INSERT", item(1))])
    printed = skyledger("ddl", "redshift").out
    assert "COPY images FROM 's3://exports/image-data.csv'" in printed
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
    assert "COPY images FROM 's3://exports/image-data.csv'" in skyledger("ddl", "redshift", "--stack", "sky").out
