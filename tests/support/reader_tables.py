"""Another reader: one whose columns have other sources, or the same in another order."""

import pytest

from image_processor.columns import cells, precedence


def give_sources(monkeypatch: pytest.MonkeyPatch, table: str, column: str, sources: tuple[str, ...]) -> None:
    """Let a column of a table of `precedence` have these sources; what is worked out of the tables follows."""
    monkeypatch.setitem(getattr(precedence, table), column, sources)
    for name in ("SOURCES", "FEEDS", "GROUPS", "STRUCTURES"):  # each of those before it
        monkeypatch.setattr(precedence, name, getattr(precedence, f"_{name.lower()}")())
    monkeypatch.setattr(cells, "_READERS", cells._readers())
