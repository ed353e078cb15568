"""The `skyledger` command on a stack of the emulator, as an operator runs it: a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from infra.local.deploy import STACK
from infra.local.emulator import REGION
from infra.local.stack import LocalStack
from infra.waiting import PATIENCE_SECONDS
from tests.support.paths import ROOT


def skyledger(stack: LocalStack, home: Path, *arguments: str, code: int = 0) -> Any:
    """Run the command, and read its JSON.

    Args:
        stack: to run it on.
        home: folder for what the command keeps between runs.
        arguments: of the command.
        code: what it must end with.
    """
    environment = {
        **os.environ,
        **stack.emulator.environment,
        "PYTHONPATH": str(ROOT / "functions"),
        "XDG_CACHE_HOME": str(home),
        "SKYLEDGER_STACK": STACK,
    }
    where = ("--endpoint-url", stack.emulator.endpoint_url, "--region", REGION, "--json")
    ended = subprocess.run(
        [sys.executable, "-m", "operations.cli.main", *arguments, *where],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert ended.returncode == code, ended.stdout + ended.stderr
    return json.loads(ended.stdout)
