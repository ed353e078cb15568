"""The extraction benchmark: its figures are those of S3's requests, and its last line can be read by a program."""

import json
import os

import pytest

from image_processor.reading.ranged import FAR_READ, FIRST_READ
from infra.benchmarks import extraction
from infra.doubles.image_files import MAKE, ascii_value, exif_segment, jpeg, png, segment, tiff


@pytest.fixture(autouse=True)
def _all_cores():
    """Give the cores back that the benchmark takes away."""
    cores = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, cores)


def test_the_last_line_has_the_gets_and_bytes_that_s3_would_have_seen(tmp_path, capsys):
    """Two photos in one GET each, one that needs a second one, and a text that is no image."""
    photo = jpeg(exif_segment(tiff({MAKE: ascii_value("DJI")})))
    (tmp_path / "a.jpg").write_bytes(photo + bytes(300_000))
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "b.png").write_bytes(png())
    (tmp_path / "far.jpg").write_bytes(jpeg(*[segment(0xE3, bytes(60_000))] * 3) + bytes(300_000))
    (tmp_path / "not.jpg").write_bytes(b"text")
    (tmp_path / "a.jpg.json").write_text("{}")
    assert extraction.main([str(tmp_path), "--seconds", "0"]) == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["images"], last["gets_median"], last["gets_p95"]) == (3, 1, 2)
    assert last["bytes_median"] == FIRST_READ
    assert FIRST_READ + FAR_READ < last["bytes_p95"] < 500_000
    assert last["images_per_second"] > 0
    assert (last["ratio"] is None) == (extraction.exiftool_version() is None)


def test_without_exiftool_there_is_no_ratio(tmp_path, capsys, monkeypatch):
    """The comparison is optional, the other figures are not."""
    monkeypatch.setattr(extraction, "exiftool_version", lambda: None)
    (tmp_path / "a.png").write_bytes(png())
    assert extraction.main([str(tmp_path), "--seconds", "0"]) == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["exiftool_images_per_second"], last["ratio"], last["gets_p95"]) == (None, None, 1)


def test_a_folder_without_images_is_an_error(tmp_path, capsys):
    """Nothing measured is not a result of zero."""
    assert extraction.main([str(tmp_path), "--seconds", "0"]) == 2
    assert "No images" in capsys.readouterr().out
