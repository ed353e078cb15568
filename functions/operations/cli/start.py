"""The `skyledger` program from its first moment: Ctrl-C ends it by 130, and never with a traceback.

What a command needs takes half a second to import, and whoever is interrupted there ends with a traceback of somebody
else's code. So nothing is imported here before it is said what Ctrl-C does. The processes of a rebuild begin here, too
(`multiprocessing`, "Safe importing of main module"), and need none of it.
"""

from operations.cli.interrupt import INTERRUPTED, end_at_once, leave


def main() -> None:
    """Run the command."""
    end_at_once()
    from operations.cli.main import app

    try:
        app()
    except SystemExit as end:
        if end.code == INTERRUPTED:
            leave()  # Python itself would wait for requests under way, and for those that wait in line
        raise
