"""A real S3 server for tests and benchmarks: SeaweedFS on loopback ports.

The emulators ignore some of the conditions that the commit protocol rests on; SeaweedFS honours all that we use.
It differs from AWS in these points: If-Match on CompleteMultipartUpload is checked but not in one step with the
completion, so that several who race on one ETag may all win (on PutObject one does); a list puts `a/b` before `a-b`
(it sorts folder by folder), If-Match on a key that is not there answers 412 (AWS: 404), a copied range past the end 416
(AWS: 400), `MpuObjectSize` is not checked, and a request for server-side encryption is an error.
"""

import contextlib
import json
import shutil
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.local.servers import LOOPBACK, Server, ServerError, Stoppable, free_ports

START_TRIES = 3  # another process may take one of the free ports before the server does
REGION = "us-east-1"


class SeaweedFS(Stoppable):
    """A running SeaweedFS with one S3 identity, and its data in `folder`.

    Attributes:
        endpoint_url: where S3 answers.
        access_key, secret_key: the only credentials that it accepts.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.access_key = "skyledger"
        self.secret_key = "local-only"
        for attempt in range(1, START_TRIES + 1):
            try:
                self._start()
                return
            except ServerError:
                self.stop()
                if attempt == START_TRIES:
                    raise

    @property
    def credentials(self) -> dict[str, str]:
        """Arguments that lead a boto3 client, or an `S3Store`, to this server."""
        return {
            "endpoint_url": self.endpoint_url,
            "aws_access_key_id": self.access_key,
            "aws_secret_access_key": self.secret_key,
            "region_name": REGION,
        }

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._server.pid

    def client(self, **config: Any) -> Any:
        """Make a boto3 S3 client for this server.

        Args:
            config: more settings for `botocore.config.Config`, for instance `retries`.
        """
        return boto3.client(
            "s3",
            **self.credentials,
            config=Config(**{"s3": {"addressing_style": "path"}, "max_pool_connections": 32, **config}),
        )

    def stop(self) -> None:
        """End the server at once, and remove the sockets that it leaves in the system's temporary folder.

        Its own way to stop takes 20 s, in which nothing is saved that is not on the disk already.
        """
        self._server.stop(seconds=0)
        for port in self._ports:
            for socket_file in Path("/tmp").glob(f"seaweedfs-*-grpc-{port}.sock"):
                socket_file.unlink(missing_ok=True)
        shutil.rmtree(self._sockets, ignore_errors=True)

    def _start(self) -> None:
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        # A unix socket's path holds about 100 characters; a test's folder may be deeper.
        self._sockets = Path(tempfile.mkdtemp(prefix="seaweedfs-"))
        self._ports = free_ports(8)
        master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3, s3_grpc = self._ports
        self.endpoint_url = f"http://{LOOPBACK}:{s3}"
        options = {
            "dir": data,
            "ip": LOOPBACK,
            "ip.bind": LOOPBACK,
            "master.port": master,
            "master.port.grpc": master_grpc,
            "master.peers": "none",
            "master.telemetry": "false",
            "master.volumeSizeLimitMB": 64,
            "volume.port": volume,
            "volume.port.grpc": volume_grpc,
            "volume.max": 0,  # as many volumes as the disk holds
            "volume.preStopSeconds": 0,
            "filer": "true",
            "filer.port": filer,
            "filer.port.grpc": filer_grpc,
            "filer.localSocket": self._sockets / "filer.sock",
            "s3": "true",
            "s3.port": s3,
            "s3.port.grpc": s3_grpc,
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.iam": "false",
            "s3.config": self._write_identity(),
            "s3.localSocket": self._sockets / "s3.sock",
        }
        weed = Path(sysconfig.get_path("scripts")) / "weed"
        command = [str(weed), "-logtostderr", "server", *(f"-{name}={value}" for name, value in options.items())]
        environment = {
            "GOGC": "50",  # the collector runs early: the server shares a small machine with what it serves
            "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1",  # a new bucket takes one volume, not seven: a disk holds so many
        }
        self._server = Server(command, log=self.folder / "seaweedfs.log", environment=environment)
        self._server.wait_until(self._answers)

    def _write_identity(self) -> Path:
        identity = {
            "name": "skyledger",
            "credentials": [{"accessKey": self.access_key, "secretKey": self.secret_key}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        path = self.folder / "identities.json"
        path.write_text(json.dumps({"identities": [identity]}))
        return path

    def _answers(self) -> bool:
        """Write and remove a bucket: only then have master, volume, filer and gateway found each other."""
        client = self.client(retries={"total_max_attempts": 1}, connect_timeout=1, read_timeout=5)
        try:
            with contextlib.suppress(client.exceptions.BucketAlreadyExists, client.exceptions.BucketAlreadyOwnedByYou):
                client.create_bucket(Bucket="readiness")  # it may be there, of a look that took too long
            client.put_object(Bucket="readiness", Key="probe", Body=b"1")
            client.delete_object(Bucket="readiness", Key="probe")
            client.delete_bucket(Bucket="readiness")
        except (BotoCoreError, ClientError):
            return False
        return True
