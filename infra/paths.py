"""Where the project's files are, and where what is made on this machine lies."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".skyledger"  # environments, data and bundles of the local stack
