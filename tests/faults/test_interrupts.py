"""Ctrl-C at a terminal goes to every process of a command: one of them hears it, and takes the others along."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.waiting import until
from tests.support import waiting_step
from tests.support.paths import ROOT

START = (
    "import signal, runpy; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "runpy.run_module('tests.support.waiting_step', run_name='__main__')"
)


def _session(leader: int) -> list[int]:
    """Name the processes of a session that have not ended."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(session) == leader and state != "Z":
                found.append(int(folder.name))
    return found


MOMENTS: dict[str, Callable[[int, Path], bool]] = {
    "as they start": lambda leader, folder: len(_session(leader)) > 2,  # beside it there is multiprocessing's tracker
    "as they work": lambda leader, folder: len([*folder.iterdir()]) == waiting_step.PROCESSES,
}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc")
@pytest.mark.parametrize("moment", MOMENTS)
def test_processes_of_a_command_end_with_it_and_say_nothing(moment: str, tmp_path: Path) -> None:
    """Neither as they start nor at work: exit code 130, one word, and nobody is left."""
    process = subprocess.Popen(
        [sys.executable, "-c", START, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'functions'}:{ROOT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until(lambda: MOMENTS[moment](process.pid, tmp_path), "the processes")
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate()
    until(lambda: not _session(process.pid), "their end")
    assert (process.returncode, out, err.strip()) == (130, "", "interrupted")
