"""Settings of the fault tests: no waiting, no metrics, no log lines for faults that are meant."""

import pytest

from csv_exporter import handler


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the handler from logging each of thousands of errors that are made on purpose."""
    monkeypatch.setattr(handler, "logger", _Silent())
    monkeypatch.setattr(handler, "metrics", _Silent())


class _Silent:
    """Takes what is logged or counted, and drops it."""

    def __getattr__(self, name: str) -> object:
        return lambda *arguments, **named: None
