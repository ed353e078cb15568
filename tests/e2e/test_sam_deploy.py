"""The deployment as a user does it: the real `sam build` and `sam deploy --guided`, from a clean copy, to the emulator.

The emulator runs functions in its own interpreter, so it is installed for the very Python that SAM builds for.
"""

import csv
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode import decode

from infra.local.deploy import STACK, fitted
from infra.local.emulator import LOCK_FILE, Emulator
from infra.paths import HOME
from infra.survey.photos import survey
from infra.waiting import PATIENCE_SECONDS, until
from tests.support import template
from tests.support.paths import ROOT
from tests.support.template import TEMPLATE

SAM_CLI = "aws-sam-cli==1.170.0"
COMMAND_SECONDS = 4 * PATIENCE_SECONDS  # pip and SAM CLI take minutes when nothing else runs
RUNTIMES = TEMPLATE["Parameters"]["Runtime"]["AllowedValues"]
ARCHITECTURE = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
pytestmark = pytest.mark.skipif(
    "SKYLEDGER_SAM" not in os.environ,
    reason="installs SAM CLI and takes minutes: SKYLEDGER_SAM=1 ./infra/test tests/e2e",
)
IGNORED = shutil.ignore_patterns("__pycache__", "*.egg-info")


def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False, **options)


def environment(folder: Path, python: Path, *arguments: str) -> bool:
    """Make an environment with these packages, unless it is there; whether it could be made."""
    stamp = folder / "made-from"
    wanted = hashlib.sha256(f"{python} {arguments} {LOCK_FILE.read_bytes()!r}".encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return True
    if run([str(python), "-m", "venv", "--clear", str(folder)]).returncode:
        return False
    if run([str(folder / "bin" / "python"), "-m", "pip", "install", "-qq", *arguments]).returncode:
        return False
    stamp.write_text(wanted)
    return True


def lambda_python() -> tuple[str, Path] | None:
    """Find a Python of one of the template's runtimes, and where it really lies (a shim will not do for SAM)."""
    for runtime in RUNTIMES:
        for found in (
            shutil.which(runtime),
            *sorted(Path.home().glob(f".pyenv/versions/{runtime[6:]}.*/bin/{runtime}")),
        ):
            asked = run([str(found), "-c", "import sys; print(sys.executable)"]) if found else None
            if asked and asked.returncode == 0:
                return runtime, Path(asked.stdout.strip())
    return None


@dataclass
class Sam:
    """SAM CLI with a Python to build for, and an emulator to deploy to."""

    program: str
    runtime: str
    variables: dict[str, str]
    emulator: Emulator

    def __call__(self, folder: Path, *arguments: str, answers: str = "") -> str:
        """Run `sam` in a folder, and return what it printed."""
        ended = run([self.program, *arguments], cwd=folder, env=self.variables, input=answers)
        assert ended.returncode == 0, f"{ended.stdout[-3000:]}\n{ended.stderr[-3000:]}"
        return ended.stdout

    def outputs(self) -> dict[str, str]:
        (stack,) = self.emulator.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def let_processor_run(self) -> None:
        """Say the mapping's number again: the emulator takes the template's for a text and cannot compare with it."""
        functions = self.emulator.client("lambda")
        for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
            if "ScalingConfig" in mapping:
                most = {"MaximumConcurrency": int(mapping["ScalingConfig"]["MaximumConcurrency"])}
                functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True, ScalingConfig=most)

    def rows(self) -> list[str]:
        """Lines of the CSV below its header."""
        body = self.emulator.client("s3").get_object(Bucket=self.outputs()["ExportBucketName"], Key="image-data.csv")
        return list(body["Body"].read().decode().splitlines()[1:])

    def put(self, first: int, last: int) -> list[str]:
        """Upload photos of a survey, and wait for as many rows."""
        self.let_processor_run()
        s3, bucket = self.emulator.client("s3"), self.outputs()["ImagesBucketName"]
        for number, photo in enumerate(survey(last), start=1):
            if number >= first:
                s3.put_object(Bucket=bucket, Key=f"{number}.jpg", Body=photo.body)
        until(lambda: len(self.rows()) >= last, lambda: f"CSV of {last} rows, but one of {len(self.rows())}")
        return self.rows()


@pytest.fixture(scope="module")
def tools() -> tuple[str, str, Path, Path]:
    """SAM CLI, a runtime, its Python, and that of the emulator for it."""
    found = lambda_python()
    if found is None:
        pytest.skip(f"no Python of a Lambda runtime here ({', '.join(RUNTIMES)}); sam build needs one")
    runtime, python = found
    if not environment(HOME / "sam", Path(sys.executable), SAM_CLI):
        pytest.skip(f"{SAM_CLI} cannot be installed here")
    if not environment(HOME / f"emulator-{runtime}", python, "--require-hashes", "--requirement", str(LOCK_FILE)):
        pytest.skip(f"the emulator cannot be installed for {runtime}")
    return str(HOME / "sam" / "bin" / "sam"), runtime, python, HOME / f"emulator-{runtime}" / "bin" / "python"


@pytest.fixture
def sam(tools: tuple[str, str, Path, Path], tmp_path: Path) -> Iterator[Sam]:
    program, runtime, python, emulator_python = tools
    with Emulator(emulator_python, tmp_path / "emulator") as emulator:
        variables = {**os.environ, **emulator.environment, "SAM_CLI_TELEMETRY": "0"}
        variables["PATH"] = f"{python.parent}{os.pathsep}{variables['PATH']}"
        yield Sam(program, runtime, variables, emulator)


def clean_copy(to: Path, commit: str | None = None) -> Path:
    """Copy the project, or an earlier commit of it, without what a clone would not have; fitted to the emulator."""
    if commit:
        to.mkdir()
        archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
        subprocess.run(["tar", "-x"], cwd=to, input=archive, check=True)
    else:
        shutil.copytree(ROOT / "functions", to / "functions", ignore=IGNORED)
        shutil.copytree(ROOT / "infra", to / "infra", ignore=IGNORED)
        shutil.copy(ROOT / "template.yaml", to)
    template = to / "template.yaml"
    template.write_text(fitted(template.read_text()))
    for definition in to.glob("infra/*.asl.yaml"):  # the emulator reads JSON there, which is YAML as well
        definition.write_text(json.dumps(decode(str(definition))[0]))
    return to


def answers(sam: Sam) -> str:
    """What a user types at `--guided`: Enter, but for the emulator's processor, and yes at the end."""
    typed = {"Architecture": ARCHITECTURE, "Runtime": sam.runtime}
    lines = ["", ""]  # name of the stack, region
    lines += [typed.get(name, "") for name in TEMPLATE["Parameters"]]
    lines += [""] * 6  # confirm changes, allow roles, rollback, save the answers, in which file, under which name
    return "\n".join([*lines, "y"]) + "\n"


def parameters(sam: Sam) -> list[str]:
    return ["--parameter-overrides", f"Architecture={ARCHITECTURE} Runtime={sam.runtime}"]


def test_a_user_builds_and_deploys_from_a_clean_copy(sam: Sam, tmp_path: Path) -> None:
    """Two commands; then a photo that is put into the bucket is a row, and the page and the tags are there."""
    clone = clean_copy(tmp_path / "clone")
    assert "Build Succeeded" in sam(clone, "build", *parameters(sam))
    named = ("--stack-name", STACK, "--tags", "application=skyledger")
    printed = sam(clone, "deploy", "--guided", *named, answers=answers(sam))
    assert "Successfully created/updated stack" in printed
    for name, parameter in TEMPLATE["Parameters"].items():
        assert f"Parameter {name} [{parameter['Default']}]:" in printed
    outputs = sam.outputs()
    assert outputs.keys() == template.outputs().keys()
    (row,) = csv.reader(io.StringIO(sam.put(1, 1)[0]))
    assert "1.jpg" in row
    objects = sam.emulator.client("s3").list_objects_v2(Bucket=outputs["ExportBucketName"])["Contents"]
    assert {"index.html", "page/page.mjs"} <= {one["Key"] for one in objects}
    (stack,) = sam.emulator.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    assert {"Key": "application", "Value": "skyledger"} in stack["Tags"]


def earlier_commit() -> str | None:
    """Name the last commit but one that changed what is deployed: the version before this one."""
    if not shutil.which("git"):
        return None
    asked = run(["git", "log", "-2", "--format=%H", "--", "template.yaml", "functions"], cwd=ROOT)
    commits = asked.stdout.split()
    return commits[1] if asked.returncode == 0 and len(commits) == 2 else None


def test_an_upgrade_keeps_the_data_and_goes_on(sam: Sam, tmp_path: Path) -> None:
    """The version before this one, loaded, then this one: the same buckets, rows byte for byte, and new photos."""
    commit = earlier_commit()
    if commit is None:
        pytest.skip("no earlier version here: not a clone with its history")
    deploy = ["deploy", "--no-confirm-changeset", "--stack-name", STACK, "--resolve-s3",
              "--capabilities", "CAPABILITY_IAM", *parameters(sam)]  # fmt: skip
    before = clean_copy(tmp_path / "before", commit)
    sam(before, "build", *parameters(sam))
    sam(before, *deploy)
    places = {name: value for name, value in sam.outputs().items() if name.endswith(("BucketName", "TableName"))}
    rows = sam.put(1, 3)
    now = clean_copy(tmp_path / "now")
    sam(now, "build", *parameters(sam))
    sam(now, *deploy)
    assert places.items() <= sam.outputs().items()
    assert sam.rows() == rows
    assert sam.put(4, 5)[:3] == rows
