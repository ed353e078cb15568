"""Where the project's files are, and the photos that the tests read if they lie beside it."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EVENTS = ROOT / "tests" / "events"
PHOTOS = ROOT.parent / "shared" / "photos"
