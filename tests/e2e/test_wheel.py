"""What `pip install` of this project brings is what lies in functions/."""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT

OF_THE_SOURCES = ("pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """Build a wheel from a copy of the project, so that the build leaves nothing in the project itself."""
    project = tmp_path_factory.mktemp("wheel") / "project"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "functions", project / "functions", ignore=ignored)
    for name in OF_THE_SOURCES:
        shutil.copy(ROOT / name, project)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
    subprocess.run(
        [*pip, "--no-deps", "--no-build-isolation", "--wheel-dir", str(project.parent), str(project)], check=True
    )
    (built,) = project.parent.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        yield archive


def _files(root: Path) -> dict[str, bytes]:
    """Read the files of all packages below a folder: what lies beside them is about them, and not a part."""
    paths = [path for path in root.rglob("*") if path.is_file() and path.parent != root]
    ours = [path for path in paths if not {"__pycache__"} & {*path.parts} and ".egg-info" not in str(path)]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in ours}


def test_the_wheel_has_every_file_of_the_packages(wheel: zipfile.ZipFile) -> None:
    """Modules, and the page's files with what it takes from others: `skyledger view` needs them all."""
    packed = {name: wheel.read(name) for name in wheel.namelist() if ".dist-info/" not in name}
    expected = _files(ROOT / "functions")
    assert sorted(packed) == sorted(expected)
    assert packed == expected
    assert any(name.startswith("operations/page/static/vendor/") for name in packed)


def test_the_wheel_brings_the_command(wheel: zipfile.ZipFile) -> None:
    """`skyledger` is the app that the command line's module assembles."""
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt")]
    assert "skyledger = operations.cli.start:main" in wheel.read(name).decode().splitlines()
