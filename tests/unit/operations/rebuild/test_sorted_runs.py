"""What memory does not hold is sorted in runs; too many of them are merged into longer ones first."""

from pathlib import Path

import pytest

from operations.rebuild import sorted_runs
from operations.rebuild.scratch import FolderScratch
from operations.rebuild.scratch_names import runs_folder
from operations.rebuild.sorted_runs import Sorter, merge_lines


def test_too_many_runs_are_merged_once_however_often_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes are told meanwhile; who was interrupted begins that run anew, and no half of one is ever read."""
    monkeypatch.setattr(sorted_runs, "FAN_IN", 3)
    monkeypatch.setattr(sorted_runs, "BUFFER_BYTES", 10)
    monkeypatch.setattr(sorted_runs, "PART_BYTES", 10)
    scratch = FolderScratch(tmp_path)
    lines = [b"%03d\n" % (number * 37 % 100) for number in range(20)]
    sorter = Sorter(scratch, "export")
    for line in lines:
        sorter.add(line)
    sorter.close()
    told: list[tuple[str, int, int]] = []

    def interrupt(*step: object) -> None:
        if len(scratch.names("")) > len(runs) + 1:
            raise KeyboardInterrupt

    runs = scratch.names(runs_folder("export"))
    with pytest.raises(KeyboardInterrupt):
        merge_lines(scratch, "export", progress=interrupt)
    assert [*merge_lines(scratch, "export", progress=lambda *step: told.append(step))] == sorted(lines)
    assert ("merging 3 sorted runs", 36, 36) in told
    told.clear()
    assert [*merge_lines(scratch, "export", progress=lambda *step: told.append(step))] == sorted(lines)
    assert not told
