"""Options that all commands share."""

from collections.abc import Callable

from operations.cli.main import COMMANDS
from tests.support.command_line import Ran

Run = Callable[..., Ran]
NAMES = {
    "status",
    "replay",
    "verify",
    "history",
    "snapshot",
    "restore",
    "pull",
    "backfill",
    "collect",
    "redrive",
    "stream",
    "ddl",
    "view",
    "forget",
}


def test_every_command_has_the_shared_options(skyledger: Run) -> None:
    """Each says where to work and can print JSON; exit codes are in the help."""
    help_text = skyledger("--help").out
    assert "Exit codes" in help_text
    assert set(COMMANDS) == NAMES
    for name in NAMES:
        text = skyledger(name, "--help").out
        for option in ("--json", "--profile", "--region", "--endpoint-url", "--bucket", "--stack"):
            assert option in text, (name, option)
