"""Where the project's files are, and the photos that the tests read if they lie beside it."""

from infra.paths import ROOT

EVENTS = ROOT / "tests" / "events"
BROKEN_READERS = ROOT / "tests" / "support" / "broken_readers"
PHOTOS = ROOT.parent / "shared" / "photos"
FIELD_INPUTS = ROOT.parent / "shared" / "field-inputs"
