"""Lambda and its queue around a function in a process of its own: it dies of what a process dies of.

The process gets batches through a pipe and answers; in between it asks for S3 and DynamoDB, whose doubles live here and
outlive it. As Lambda does (Developer Guide: "Understanding Lambda function timeout", "Runtime.ExitError"), the host
ends the process when its time or its memory, that of its children included, is used up. Then, or if it died, the whole
batch comes again, from a queue that counts receives (SQS Developer Guide: "Visibility timeout", "Dead-letter queues").
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

from tests.support.paths import ROOT

PAGE = os.sysconf("SC_PAGE_SIZE")
POLL_SECONDS = 0.02


class Died(Exception):
    """The function's process ended before it answered; the text says how."""


class Host:
    """Runs the ImageProcessor: one process, and another one when it has died.

    Args:
        services: what the function calls S3 and DynamoDB; "s3" and "dynamodb".
        memory_mb: of the function.
        path: folders that are on the function's path before its own.
        log: file for all that its processes print.

    Attributes:
        peak_mb: the most memory that a process had at once, its children included.
        starts: processes so far.
    """

    def __init__(self, services: Mapping[str, Any], *, memory_mb: int, path: list[Path], log: Path) -> None:
        self._services, self._memory_mb, self._log = services, memory_mb, log
        self._path = os.pathsep.join(map(str, [*path, ROOT / "functions", ROOT]))
        self._process: subprocess.Popen[bytes] | None = None
        self.peak_mb, self.starts = 0.0, 0

    def invoke(self, messages: list[dict[str, Any]], seconds: float) -> list[str]:
        """Give the function a batch; return the ids of the messages that it reports as failed.

        Args:
            messages: as SQS hands them out.
            seconds: after which the invocation's time is over, whatever the function thinks of it.

        Raises:
            Died: it gave no answer.
        """
        if self._process is None:
            self._start()
        self._pipe.send(messages)
        deadline = time.monotonic() + seconds
        try:
            while time.monotonic() < deadline:
                self._weigh()
                if not self._pipe.poll(POLL_SECONDS):
                    continue
                kind, content = self._pipe.recv()
                if kind == "failed":
                    failed: list[str] = content
                    return failed
                self._pipe.send(self._call(*content))
            raise Died("out of time")
        except (EOFError, ConnectionError) as error:
            raise Died("crashed") from error
        finally:
            if sys.exc_info()[0]:
                self.stop()

    def stop(self) -> None:
        """End the process and its children."""
        if self._process:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._pipe.close()
            self._process = None

    def _start(self) -> None:
        self._pipe, its_end = Pipe()
        command = [sys.executable, "-m", "tests.support.lambda_guest", str(its_end.fileno()), str(self._memory_mb)]
        environment = os.environ | {"PYTHONPATH": self._path, "AWS_SECRET_ACCESS_KEY": "secret"}
        with its_end, self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, pass_fds=(its_end.fileno(),), start_new_session=True
            )
        assert self._pipe.recv() == "ready"  # Lambda counts from here on, too
        self.starts += 1

    def _call(self, service: str, name: str, arguments: dict[str, Any]) -> tuple[str, Any]:
        try:
            return "returned", getattr(self._services[service], name)(**arguments)
        except Exception as error:
            return "raised", error

    def _weigh(self) -> None:
        assert self._process
        total = sum(map(_resident, (self._process.pid, *children(self._process.pid)))) / 2**20
        self.peak_mb = max(self.peak_mb, total)
        if total > self._memory_mb:
            raise Died("out of memory")


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0  # ended meanwhile


def children(pid: int) -> list[int]:
    """List the processes that a process has started, and that have not ended."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in task.read_text().split()]
        except OSError:
            continue  # a thread that ended meanwhile
    return found


class Queue:
    """Messages that are delivered until they are done, or were received too often.

    Attributes:
        receives: of every message that waits, by its id.
        dead: ids of the messages that were given up.
        deaths: how invocations died.
    """

    def __init__(self, bodies: Mapping[str, str], *, most_receives: int) -> None:
        self._bodies, self._most = bodies, most_receives
        self.receives = dict.fromkeys(bodies, 0)
        self.dead: list[str] = []
        self.deaths: list[str] = []

    def deliver(self, host: Host, seconds: float, order: list[str] | None = None) -> None:
        """Deliver all that waits, ten at a time; what fails is visible again when all of it was delivered once."""
        waiting = order or [*self.receives]
        for start in range(0, len(waiting), 10):
            batch = waiting[start : start + 10]
            for name in batch:
                self.receives[name] += 1
            try:
                failed = host.invoke([self._message(name) for name in batch], seconds)
            except Died as death:
                self.deaths.append(str(death))
                failed = batch
            for name in batch:
                if name not in failed or self.receives[name] == self._most:
                    del self.receives[name]
                    self.dead += [name] if name in failed else []

    def _message(self, name: str) -> dict[str, Any]:
        attributes = {"ApproximateReceiveCount": str(self.receives[name])}
        return {"messageId": name, "eventSource": "aws:sqs", "body": self._bodies[name], "attributes": attributes}
