"""The `skyledger` command. Each command parses, calls the module of its capability, and prints (`commands`)."""

from operations.cli.main import backfill, pull, replay, status, verify
from operations.cli.options import app

__all__ = ["app", "copy", "look", "prove", "rebuild", "repair"]

if __name__ == "__main__":
    app()
