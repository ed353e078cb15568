"""The `skyledger` command. Each command parses, calls the module of its capability, and prints (`commands`)."""

from operations.commands import look, prove, rebuild
from operations.options import app

__all__ = ["app", "look", "prove", "rebuild"]

if __name__ == "__main__":
    app()
