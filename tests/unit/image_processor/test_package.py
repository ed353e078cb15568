"""The package as others see it."""

from pathlib import Path

from image_processor import BytesSource, FileSource, Record, extract
from image_processor.columns.reader import READER


def test_its_face_reads_a_file_and_bytes_alike(tmp_path: Path) -> None:
    """Benchmarks and checks need no more than these names."""
    data = b"GIF89a" + bytes([8, 0, 6, 0, 0, 0, 0]) + b";"
    path = tmp_path / "picture"
    path.write_bytes(data)
    record = extract(FileSource(path))
    assert record == extract(BytesSource(data))
    numbers = {"width_px": "8", "height_px": "6", "xmp_packets": "0", "reader_version": str(READER)}
    assert record == Record("image/gif", {name: {"N": number} for name, number in numbers.items()})
