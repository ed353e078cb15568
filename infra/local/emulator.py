"""The emulator of AWS (ministack): its environment, and one running server whose data outlives it.

Tables are saved only when the emulator is stopped in order, objects at once. After a hard end the two disagree, so
such data is put aside instead of used.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from infra.local.servers import LOOPBACK, Orphan, Server, Stoppable, free_ports
from infra.local.turn import turn
from infra.paths import HOME
from infra.waiting import PATIENCE_SECONDS

LOCK_FILE = Path(__file__).parent / "emulator.lock"
PROGRAM = Path(__file__).parent / "mended_emulator.py"
REGION = "us-east-1"
ACCESS_KEY = "test"  # the emulator's root credentials, also where it checks permissions
Credentials = tuple[str, str, str | None]


class AlreadyRunningError(Exception):
    """Another process of this project has the stack running on the same data."""


def make_environment(folder: Path = HOME / "emulator", lock_file: Path = LOCK_FILE) -> Path:
    """Make an environment of its own, or renew it if its pins have changed: the emulator's, or another.

    Args:
        folder: where the environment lies.
        lock_file: its pins.

    Returns:
        The interpreter of that environment.
    """
    stamp = folder / "made-from"
    wanted = hashlib.sha256(lock_file.read_bytes() + sys.version.encode()).hexdigest()
    with turn(folder):
        if not stamp.exists() or stamp.read_text() != wanted:
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
            subprocess.run([*pip, "--require-hashes", "--requirement", str(lock_file)], check=True)
            stamp.write_text(wanted)
    return folder / "bin" / "python"


class Emulator(Stoppable):
    """A running emulator on a loopback port, with its data in a folder that one process uses at a time.

    Attributes:
        endpoint_url: where every service answers.
        data: folder of what it keeps from run to run, and of what belongs to that.
        put_aside: where the data of a run that ended hard was moved to, or None.
        other_port: that of the last run, if it is taken by somebody else now; else None.
        taken_over: it was running already, and has gone on since its process was killed.
    """

    def __init__(
        self,
        python: Path,
        folder: Path,
        *,
        check_permissions: bool = False,
        fresh: bool = False,
        streams: bool = True,
    ) -> None:
        """Start the emulator.

        Args:
            python: what `make_environment` returned.
            folder: data, logs and state; kept from run to run.
            check_permissions: evaluate IAM policies on every request, as AWS does.
            fresh: begin with nothing; earlier data is deleted.
            streams: let it read the streams of tables for its functions; else somebody else does.

        Raises:
            AlreadyRunningError: another process holds `folder`.
            ServerError: the emulator did not start.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.data, self._streams = folder, folder / "data", streams
        self._run_file = folder / "running.json"
        self._lock = (folder / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise AlreadyRunningError(f"another process is using {folder}") from error
        self.put_aside: Path | None = None
        self.other_port: int | None = None
        self._server: Server | Orphan | None = self._take_over(check_permissions, fresh)
        self.taken_over = self._server is not None
        if fresh:
            shutil.rmtree(self.data, ignore_errors=True)
        if self._server is None:
            self._start(python, check_permissions)

    @property
    def pid(self) -> int:
        """Process id of the emulator."""
        assert self._server is not None
        return self._server.pid

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that lead any AWS client to this emulator."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
            "AWS_DEFAULT_REGION": REGION,
        }

    @property
    def credentials(self) -> dict[str, str]:
        """Arguments that lead a boto3 client, or an `S3Store`, to this emulator."""
        return {
            "endpoint_url": self.endpoint_url,
            "aws_access_key_id": ACCESS_KEY,
            "aws_secret_access_key": ACCESS_KEY,
            "region_name": REGION,
        }

    def client(self, service: str, *, credentials: Credentials = (ACCESS_KEY, ACCESS_KEY, None), **config: Any) -> Any:
        """Make a boto3 client of a service.

        Args:
            service: its name.
            credentials: access key, secret key and session token; without them, those that may do everything.
            config: more settings for `botocore.config.Config`.
        """
        access_key, secret_key, token = credentials
        return boto3.client(
            service,
            endpoint_url=self.endpoint_url,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            aws_session_token=token,
            region_name=REGION,
            config=Config(**{"max_pool_connections": 32, "read_timeout": PATIENCE_SECONDS, **config}),
        )

    def stop(self, *, whole: bool = True) -> None:
        """Stop the emulator in order, so that its tables are saved, and give the folder free.

        Args:
            whole: False if the data must not be used again; the next start puts it aside.
        """
        if self._server is not None:
            was_running = self._server.running
            self._server.stop(seconds=PATIENCE_SECONDS)  # it writes its whole state then
            if was_running and whole:
                self._run_file.unlink(missing_ok=True)
        self._lock.close()

    def _start(self, python: Path, check_permissions: bool) -> None:
        port = self._choose_port()
        self.endpoint_url = f"http://{LOOPBACK}:{port}"
        settings = self._settings(port, check_permissions)
        command = [str(python), "-P", str(PROGRAM)]  # -P: the modules beside it are not the emulator's
        server = Server(command, log=self.folder / "emulator.log", environment=settings)
        self._server = server
        run = {"pid": server.pid, "port": port, "check_permissions": check_permissions}
        self._run_file.write_text(json.dumps(run))
        try:
            server.wait_until(self._answers)
        except BaseException:
            self.stop()
            raise

    def _take_over(self, check_permissions: bool, fresh: bool) -> Orphan | None:
        """Deal with a run that did not end in order.

        If only our process was killed, its emulator still serves, and goes on serving with all that it knows. If it is
        gone as well, tables and objects disagree.
        """
        if not self._run_file.exists():
            return None
        last = json.loads(self._run_file.read_text())
        orphan = Orphan(last["pid"]) if _listens(last["port"]) else None
        if orphan and last["check_permissions"] == check_permissions and not fresh:
            self.endpoint_url = f"http://{LOOPBACK}:{last['port']}"
            return orphan
        if orphan:
            orphan.stop(seconds=PATIENCE_SECONDS)
        aside = self.folder / "data-of-a-hard-end"
        shutil.rmtree(aside, ignore_errors=True)
        if not fresh and self.data.exists():
            self.put_aside = self.data.rename(aside)
        self._run_file.unlink()
        return None

    def _settings(self, port: int, check_permissions: bool) -> dict[str, str | None]:
        # The functions' unpacked code goes to the temporary folder and is left behind there: make it ours, and empty.
        temporary = self.folder / "temporary"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        return {
            "GATEWAY_PORT": str(port),
            "BIND_HOST": LOOPBACK,
            "MINISTACK_HOST": LOOPBACK,
            "MINISTACK_REGION": REGION,
            "IOT_MTLS_ENABLED": "0",  # that listener would ignore BIND_HOST
            "LAMBDA_EXECUTOR": "local",
            "AUTH": "true" if check_permissions else "false",
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self.data / "state"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self.data / "s3"),
            "TMPDIR": str(temporary),
            "LOG_LEVEL": "WARNING",
            "SKYLEDGER_STREAMS": "1" if self._streams else "",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
            "AWS_DEFAULT_REGION": REGION,
            # The functions must find nothing but their bundle, and no credentials of the user's.
            "PYTHONPATH": None,
            "AWS_PROFILE": None,
            "AWS_SESSION_TOKEN": None,
            "AWS_ENDPOINT_URL": None,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_CONFIG_FILE": os.devnull,
        }

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.endpoint_url}/_ministack/ready", timeout=2) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def _choose_port(self) -> int:
        """Take the port of the last run if it is free: saved queue addresses name it."""
        kept = self.folder / "port"
        port = int(kept.read_text()) if kept.exists() else 0
        if not port or _listens(port):
            self.other_port = port or None
            (port,) = free_ports(1)
        kept.write_text(str(port))
        return port


def _listens(port: int) -> bool:
    with contextlib.closing(socket.socket()) as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
