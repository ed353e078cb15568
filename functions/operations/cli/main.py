"""The `skyledger` command. Each command parses, calls the module of its capability, and prints."""

from operations.cli import backfill, pull, replay, status, verify
from operations.cli.options import app

__all__ = ["app", "backfill", "pull", "replay", "status", "verify"]

if __name__ == "__main__":
    app()
