"""The built bundle, as Lambda would find it."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from infra.local.bundle import build
from infra.paths import HOME
from infra.waiting import PATIENCE_SECONDS
from tests.support.template import TEMPLATE

HANDLERS = sorted(
    resource["Properties"]["Handler"]
    for resource in TEMPLATE["Resources"].values()
    if resource["Type"] == "AWS::Serverless::Function"
)
# No site-packages, no environment: the standard library and the bundle, as in Lambda.
IMPORT = (
    "import importlib, sys; sys.path.insert(0, sys.argv[1]); getattr(importlib.import_module(sys.argv[2]), sys.argv[3])"
)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    with zipfile.ZipFile(build(HOME / "bundle")) as archive:
        archive.extractall(folder)
    return folder


READ_ISOLATED = """
import sys; sys.path.insert(0, sys.argv[1])
from image_processor import BytesSource
from image_processor.isolation import Isolation
gif = BytesSource(b"GIF89a" + bytes([8, 0, 6, 0, 0, 0, 0]) + b";")
print(Isolation(128 * 2**20, lambda: 60.0).extract(gif, last=True))
"""


def test_an_image_is_read_in_a_process_that_starts_from_the_bundle(unpacked: Path) -> None:
    """It finds what the function finds, in as much memory as the smallest function gives it."""
    command = [sys.executable, "-I", "-S", "-c", READ_ISOLATED, str(unpacked)]
    ended = subprocess.run(command, env={}, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert "content_type='image/gif'" in ended.stdout, ended.stderr


@pytest.mark.parametrize("handler", HANDLERS)
def test_every_handler_finds_all_that_it_imports(unpacked: Path, handler: str) -> None:
    """The emulator's own packages would hide a dependency that functions/requirements.txt lacks."""
    module, _, function = handler.rpartition(".")
    environment = {"EXPORT_BUCKET": "b", "IMAGES_TABLE": "i", "OBJECTS_TABLE": "o", "AWS_DEFAULT_REGION": "us-east-1"}
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", IMPORT, str(unpacked), module, function],
        env={**environment, "POWERTOOLS_SERVICE_NAME": "test", "POWERTOOLS_METRICS_NAMESPACE": "test"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
