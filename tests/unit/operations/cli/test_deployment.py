"""Where to work is given by name, or looked up from the stack."""

from collections.abc import Callable

import pytest

from tests.support.command_line import Ran

Run = Callable[..., Ran]


def test_without_bucket_and_stack_it_says_how_to_name_them(skyledger: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is guessed."""
    monkeypatch.delenv("SKYLEDGER_BUCKET")
    ran = skyledger("status")
    assert ran.code == 2
    assert "--stack NAME, or --bucket NAME" in ran.err
