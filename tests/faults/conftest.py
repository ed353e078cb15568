"""Settings of the fault tests: no waiting, no metrics, no log lines for faults that are meant."""

import pytest

from csv_exporter import handler, measures, publisher

MATRIX = pytest.StashKey[dict[str, int]]()


@pytest.fixture
def matrix(pytestconfig: pytest.Config) -> dict[str, int]:
    """Cases of the exhaustive matrix by scenario, for the summary."""
    return pytestconfig.stash.setdefault(MATRIX, {})


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a simulation for every seed that was asked for; the seed stands in the test's name."""
    if "seed" in metafunc.fixturenames:
        one, count = metafunc.config.getoption("--seed"), metafunc.config.getoption("--seeds")
        metafunc.parametrize("seed", range(count) if one is None else [one])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how many cases the exhaustive matrix had."""
    cases = config.stash.get(MATRIX, {})
    if cases:
        terminalreporter.write_line(
            f"crash points: {sum(cases.values())} cases in {len(cases)} scenarios, all as without faults"
        )


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the handler from logging each of thousands of errors that are made on purpose."""
    monkeypatch.setattr(handler, "logger", _Silent())
    monkeypatch.setattr(publisher, "logger", _Silent())
    monkeypatch.setattr(measures, "metrics", _Silent())


@pytest.fixture(autouse=True)
def _packed_alike(packed_alike: None) -> None:
    """Keep histories alike: with ISA-L's sizes one of forty runs of a seed is another."""


class _Silent:
    """Takes what is logged or counted, and drops it."""

    def __getattr__(self, name: str) -> object:
        return lambda *arguments, **named: None
