"""Runs `skyledger` in this process, on a bucket in memory; and CloudFormation, which calls functions."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.doubles.memory_store import MemoryStore
from operations.cli import deployment, work_folder
from operations.cli.main import app
from tests.support.cloudformation import CloudFormation, listening_cloudformation
from tests.support.command_line import Ran


@pytest.fixture
def skyledger(store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Run the command with these arguments."""
    monkeypatch.setattr(deployment, "open_bucket", lambda bucket, arguments: store)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("SKYLEDGER_BUCKET", "exports")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("SKYLEDGER_STACK", raising=False)

    def run(*arguments: str) -> Ran:
        result = CliRunner().invoke(app, [str(one) for one in arguments])
        while work_folder._held:  # a process of its own would have ended
            work_folder._held.popitem()[1].close()
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def cloudformation() -> Iterator[CloudFormation]:
    """What listens behind a custom resource's presigned URL."""
    with listening_cloudformation() as listening:
        yield listening
