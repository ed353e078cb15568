"""What the scripts say before there is a Python environment."""

import shutil
import subprocess
from pathlib import Path

from tests.support.paths import ROOT


def test_a_place_that_cannot_be_written_to_is_one_line(tmp_path: Path) -> None:
    """It names the place; here a file stands where the folder should be."""
    (tmp_path / "infra").mkdir()
    for name in ("env", "run"):
        shutil.copy(ROOT / "infra" / name, tmp_path / "infra")
    (tmp_path / ".skyledger").write_text("")
    ended = subprocess.run([tmp_path / "infra" / "run"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.count("\n") == 1
    assert f"Cannot write to {tmp_path}/.skyledger" in ended.stderr
