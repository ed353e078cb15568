"""The `skyledger` program from its first moment: Ctrl-C ends it by 130, and never with a traceback.

What a command needs takes half a second to import, and whoever is interrupted there ends with a traceback of somebody
else's code. So nothing is imported here before it is said what Ctrl-C does. The processes of a rebuild begin here, too
(`multiprocessing`, "Safe importing of main module"), and need none of it.
"""

import os

from operations.cli.interrupt import INTERRUPTED, end_at_once, leave

# A command commits and publishes as a function of so much memory does (`ledger.limits`): beside that it has sorted runs
# and a table's items, and 500 MB in all (`operations.progress`).
_AS_FUNCTION_MB = "256"


def main() -> None:
    """Run the command."""
    end_at_once()
    os.environ.setdefault("SKYLEDGER_MEMORY_MB", _AS_FUNCTION_MB)
    from operations.cli.main import app

    try:
        app()
    except SystemExit as end:
        if end.code == INTERRUPTED:
            leave()  # Python itself would wait for requests under way, and for those that wait in line
        raise


if __name__ == "__main__":
    main()
