"""The zip that Lambda runs: the functions' sources and their dependencies, built once for each content."""

import compileall
import hashlib
import py_compile
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import boto3

from infra.local.turn import turn
from infra.paths import ROOT

FUNCTIONS = ROOT / "functions"
REQUIREMENTS = FUNCTIONS / "requirements.txt"
LOCK = ROOT / "requirements.lock"
EPOCH = (1980, 1, 1, 0, 0, 0)  # one date for all files: equal contents make equal zips


def build(cache: Path) -> Path:
    """Build the zip of the functions, or find it in the cache.

    Args:
        cache: folder of earlier builds; only the newest is kept.

    Returns:
        The zip; its name holds the hash of what it was made from.
    """
    sources = {path.relative_to(FUNCTIONS).as_posix(): path.read_bytes() for path in _source_files()}
    services = named_services(b"".join(sources.values()).decode())
    inputs = (REQUIREMENTS.read_bytes(), LOCK.read_bytes(), f"{sys.version} {sys.platform} {services}".encode())
    dependencies = _digest({str(number): content for number, content in enumerate(inputs)})
    bundle = cache / f"functions-{_digest({**sources, '': dependencies.encode()})}.zip"
    with turn(cache):
        if not bundle.exists():
            base = _build_dependencies(cache, dependencies, services)
            _remove_others(cache, "functions-*.zip")
            unfinished = bundle.with_suffix(".unfinished")
            shutil.copy(base, unfinished)
            with zipfile.ZipFile(unfinished, "a", zipfile.ZIP_DEFLATED) as archive:
                for name, content in sources.items():
                    archive.writestr(_entry(name), content, compresslevel=6)
            unfinished.rename(bundle)
    return bundle


def _build_dependencies(cache: Path, digest: str, services: Sequence[str]) -> Path:
    """Build the part of the zip that seldom changes.

    The SDK's descriptions of services that the functions never name are left out: they are most of its files, and the
    emulator unpacks all files at every cold start.
    """
    archive_path = cache / f"dependencies-{digest}.zip"
    if archive_path.exists():
        return archive_path
    cache.mkdir(parents=True, exist_ok=True)
    _remove_others(cache, "dependencies-*")
    folder = cache / f"dependencies-{digest}"
    constraints = cache / "constraints.txt"
    constraints.write_text(pins(LOCK.read_text()))
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-compile"]
    subprocess.run(
        [*pip, "--target", str(folder), "--requirement", str(REQUIREMENTS), "--constraint", str(constraints)],
        check=True,
    )
    for described in (folder / "botocore" / "data").iterdir():
        if described.is_dir() and described.name not in services:
            shutil.rmtree(described)
    # Compiled code that is not checked against the sources' dates: unpacking changes those, and a cold start would
    # compile everything anew.
    compileall.compile_dir(folder, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    unfinished = archive_path.with_suffix(".unfinished")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.writestr(_entry(path.relative_to(folder).as_posix()), path.read_bytes(), compresslevel=1)
    unfinished.rename(archive_path)
    shutil.rmtree(folder)
    return archive_path


def pins(lock: str) -> str:
    """Take the versions out of a lock file, without its hashes: a constraints file for pip."""
    return "".join(f"{name}\n" for name in re.findall(r"^([A-Za-z0-9][^\\\n]*?==[^\\\n]*?) *\\?$", lock, re.MULTILINE))


def named_services(sources: str) -> list[str]:
    """Find the AWS services that sources name in a literal, as every use of boto3 does."""
    literals = set(re.findall(r"""["']([a-z0-9-]+)["']""", sources))
    return sorted(literals & set(boto3.Session().get_available_services()))


def _source_files() -> Iterator[Path]:
    for path in sorted(FUNCTIONS.rglob("*")):
        parts = path.relative_to(FUNCTIONS).parts
        if path.is_file() and not any(part == "__pycache__" or part.endswith(".egg-info") for part in parts):
            yield path


def _digest(contents: dict[str, bytes]) -> str:
    total = hashlib.sha256()
    for name, content in sorted(contents.items()):
        total.update(f"{name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()[:16]


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


def _remove_others(cache: Path, pattern: str) -> None:
    for path in cache.glob(pattern):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
