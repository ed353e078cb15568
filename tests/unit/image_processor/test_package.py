"""The package as others see it."""

import ast
from pathlib import Path

import image_processor
from image_processor import BytesSource, FileSource, Record, extract

ROOT = Path(image_processor.__file__).parent


def test_its_face_reads_a_file_and_bytes_alike(tmp_path):
    """Benchmarks and checks need no more than these names."""
    data = b"GIF89a" + bytes([8, 0, 6, 0, 0, 0, 0]) + b";"
    path = tmp_path / "picture"
    path.write_bytes(data)
    record = extract(FileSource(path))
    assert record == extract(BytesSource(data))
    assert record == Record("image/gif", {"width_px": {"N": "8"}, "height_px": {"N": "6"}, "xmp_packets": {"N": "0"}})


def test_it_imports_no_other_package_of_ours():
    """The reader of photos can be used, deployed and understood without the ledger."""
    ours = {path.name for path in ROOT.parent.iterdir() if path.is_dir()} - {ROOT.name}
    assert "ledger" in ours
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not {name.partition(".")[0] for name in names} & ours, path
