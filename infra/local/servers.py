"""Servers that the local stack starts: found ports, one child process each, waited for and stopped for certain."""

import contextlib
import os
import signal
import socket
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.waiting import until

LOOPBACK = "127.0.0.1"


class ServerError(Exception):
    """A local server ended, or did not answer in time; the message quotes the end of its log."""


def free_ports(count: int) -> list[int]:
    """Find TCP ports on the loopback address that nobody listens on, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [each.getsockname()[1] for each in sockets]


class Stoppable(ABC):
    """What runs until it is stopped: at the end of a `with`."""

    @abstractmethod
    def stop(self) -> object:
        """End it."""

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop it, whatever happened."""
        self.stop()


class Orphan:
    """A server that outlived the process that started it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def stop(self, *, seconds: float = 20.0) -> None:
        """Ask the server to end; after `seconds`, end it."""
        for way in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, TimeoutError):
                os.kill(self.pid, way)
                until(lambda: not self.running, "end of it", seconds=seconds)


class Server(Stoppable):
    """A child process that serves until it is stopped.

    It runs in a session of its own, so that a Ctrl-C at the terminal reaches us alone and we stop it in order.
    """

    def __init__(
        self, command: Sequence[str], *, log: Path, environment: Mapping[str, str | None] | None = None
    ) -> None:
        """Start the child.

        Args:
            command: program and arguments.
            log: file that the child's output is appended to.
            environment: what it gets beside our own environment; None takes a variable away.
        """
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        variables = {**os.environ, **(environment or {})}
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={name: value for name, value in variables.items() if value is not None},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the child has not ended."""
        return self._process.poll() is None

    def wait_until(self, answers: Callable[[], bool]) -> None:
        """Wait until the server answers.

        Args:
            answers: asks the server once; False while it is not ready.

        Raises:
            ServerError: it ended, or the time is over.
        """

        def ready() -> bool:
            if not (ready := answers()) and not self.running:
                raise ServerError(f"{self._what()} ended with {self._process.returncode}:\n{self.log_end()}")
            return ready

        try:
            until(ready, f"answer of {self._what()}")
        except TimeoutError as error:
            raise ServerError(f"{error}:\n{self.log_end()}") from error

    def stop(self, *, seconds: float = 20.0) -> None:
        """Ask the server to end; after `seconds`, end its whole session."""
        if self.running:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def log_end(self, lines: int = 15) -> str:
        """Give the last lines of the server's log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _what(self) -> str:
        return Path(str(self._process.args[0])).name if isinstance(self._process.args, Sequence) else "server"
