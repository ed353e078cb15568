"""The zip of the functions."""

import zipfile
from pathlib import Path

import pytest

from infra.local import bundle


@pytest.fixture
def functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sources of a small function, and dependencies that are built without an installation."""
    folder = tmp_path / "functions"
    (folder / "maker" / "__pycache__").mkdir(parents=True)
    (folder / "maker" / "handler.py").write_text('boto3.client("s3")\n')
    (folder / "maker" / "__pycache__" / "handler.pyc").write_bytes(b"compiled")
    (folder / "skyledger.egg-info").mkdir()
    (folder / "skyledger.egg-info" / "PKG-INFO").write_text("")
    monkeypatch.setattr(bundle, "FUNCTIONS", folder)

    def dependencies(cache: Path, digest: str, services: list[str]) -> Path:
        cache.mkdir(exist_ok=True)
        path = cache / f"dependencies-{digest}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(zipfile.ZipInfo("boto3/__init__.py"), "")
        return path

    monkeypatch.setattr(bundle, "_build_dependencies", dependencies)
    return folder


def test_the_bundle_holds_sources_and_dependencies_only(functions: Path, tmp_path: Path) -> None:
    """No compiled leftovers and no installation's records."""
    names = zipfile.ZipFile(bundle.build(tmp_path / "cache")).namelist()
    assert sorted(names) == ["boto3/__init__.py", "maker/handler.py"]


def test_equal_sources_are_built_once(functions: Path, tmp_path: Path) -> None:
    """The name tells the content; another content is another zip, and the old one goes."""
    first = bundle.build(tmp_path / "cache")
    built = first.stat().st_mtime_ns
    assert bundle.build(tmp_path / "cache") == first
    assert first.stat().st_mtime_ns == built
    (functions / "maker" / "handler.py").write_text('boto3.client("s3")  # changed\n')
    second = bundle.build(tmp_path / "cache")
    assert second != first
    assert not first.exists()


def test_equal_contents_make_equal_zips(functions: Path, tmp_path: Path) -> None:
    """Dates of files are no content."""
    first = bundle.build(tmp_path / "one").read_bytes()
    (functions / "maker" / "handler.py").touch()
    assert bundle.build(tmp_path / "two").read_bytes() == first


def test_only_services_that_the_sources_name_are_kept() -> None:
    """A literal that is a service's name counts as its use; any other text does not."""
    assert bundle.named_services("""a = boto3.client("s3"); b = client('dynamodb'); c = "notaservice" """) == [
        "dynamodb",
        "s3",
    ]


def test_constraints_are_the_locks_versions_without_hashes() -> None:
    """Hashes here would make pip ask for those of everything."""
    lock = (
        "# made by\nboto3==1.44.8 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
        "numpy==2.4.6 ; python_full_version < '3.12' \\\n    --hash=sha256:cc\n"
    )
    assert bundle.pins(lock) == "boto3==1.44.8\nnumpy==2.4.6 ; python_full_version < '3.12'\n"
