"""What a run of the tests says at its end of those that did not run."""

from tests.support.skips import summary


def test_each_reason_is_one_line_with_its_number() -> None:
    """Whatever is known of emulators is one line, since nobody can do anything about it."""
    browser = "no browser here; on Debian: apt-get install chromium chromium-driver"
    known = ["known of moto: ignores If-Match", "Skipped: known of seaweed: ignores MpuObjectSize"]
    assert [*summary(["Skipped: no photos", *[f"Skipped: {browser}"] * 12, *known])] == [
        "Not run, for want of something:",
        f"    12  {browser}",
        "     1  no photos",
        "     2  tests of what an emulator is known not to do (tests/support/store_kinds.py)",
    ]
    assert [*summary([])] == []
