"""Run one benchmark by its name, or list them."""

import ast
import importlib
import os
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def names() -> dict[str, str]:
    """Name the benchmarks, each with the first line of its docstring."""
    modules = {path.stem: path for path in sorted(FOLDER.glob("*.py")) if not path.stem.startswith("_")}
    return {
        name: (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]
        for name, path in modules.items()
    }


def main(argv: list[str]) -> int:
    """Run the benchmark that the first argument names with the other arguments."""
    known = names()
    if not argv or argv[0] in ("-h", "--help"):
        width = max(map(len, known), default=0)
        print("usage: ./infra/bench NAME [ARGS]; every NAME tells more with --help\n")
        print("\n".join(f"  {name:<{width}}  {line}" for name, line in known.items()))
        return 0
    name, *arguments = argv
    if name not in known:
        print(f"There is no benchmark {name!r}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    os.environ.setdefault("LOG_LEVEL", "WARNING")  # a line of the log for each batch would hide the figures
    return importlib.import_module(f"infra.benchmarks.{name}").main(arguments) or 0


def run() -> int:
    """Run `main`; a reader who leaves (`| head`) ends it without a traceback (Python's `signal`, "Note on SIGPIPE")."""
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is flushed at the end
        return 1
    return code


if __name__ == "__main__":
    sys.exit(run())
