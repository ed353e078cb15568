"""What a run on a folder tells of its photos."""

from pathlib import Path
from types import SimpleNamespace

from infra.local.following import Run


def test_an_object_that_nobody_has_read_yet_is_called_that_and_not_no_image(tmp_path: Path) -> None:
    """Its event waits for its next try: the file may be as good a photo as any."""
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"\xff\xd8\xff\xe1\0\0")
    run = Run.__new__(Run)
    run._uploads = SimpleNamespace(path={"a.jpg": photo}.get)  # type: ignore[assignment]
    assert run._why("a.jpg", None) == "not processed"
    assert run._why("a.jpg", {"object": {"S": "photos/a.jpg"}}) == "no image: unknown bytes"
    assert run._why("b.jpg", {"object": {"S": "photos/b.jpg"}}) == "no image"
