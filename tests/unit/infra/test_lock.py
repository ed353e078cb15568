"""The lock files: what every environment is made from."""

import re
import tomllib

import pytest

from tests.support.paths import ROOT

LOCKS = ("requirements.lock", "infra/local/emulator.lock", "infra/benchmarks/readers.lock")


def pins(text: str) -> dict[str, set[str]]:
    """Versions of every pinned package, by its normalised name; more than one where Pythons differ."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\\n]+)", text, re.MULTILINE):
        found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), set()).add(version)
    return found


def test_the_lock_agrees_with_what_the_project_asks_for() -> None:
    """Whoever changes a pin runs ./infra/lock too."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [requirement for extra in project["optional-dependencies"].values() for requirement in extra]
    asked += (ROOT / "functions/requirements.txt").read_text(encoding="utf-8").splitlines()
    locked = pins((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    for name, versions in pins("\n".join(asked)).items():
        assert locked.get(name) == versions, f"{name}: run ./infra/lock"


@pytest.mark.parametrize("path", LOCKS)
def test_every_locked_package_has_hashes_and_no_host(path: str) -> None:
    """A lock names contents, not the place where its writer got them."""
    text = (ROOT / path).read_text(encoding="utf-8")
    entries = re.split(r"\n(?=\S)", re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE).strip())
    assert all("==" in entry and "--hash=sha256:" in entry for entry in entries)
    assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host", text)


def test_the_emulator_is_the_one_that_was_measured() -> None:
    """The local stack works around this version's gaps; another one needs another look."""
    locked = pins((ROOT / "infra/local/emulator.lock").read_text(encoding="utf-8"))
    assert locked["ministack"] == {"1.5.33"}
