"""A small ledger, and the services that commands speak to."""

import signal
from collections.abc import Iterator

import pytest

from ledger.commit import commit
from ledger.ledger import Ledger
from ledger.publish import publish
from operations import state_machine
from operations.cli import deployment
from tests.support.aws_services import Services
from tests.support.factories import event, item


@pytest.fixture
def filled(ledger: Ledger) -> Ledger:
    """Two images, and a removed third."""
    commit(ledger, [event("INSERT", item(n), sequence=n, seconds=n) for n in (1, 2, 3)])
    commit(ledger, [event("REMOVE", old=item(3), sequence=9, seconds=60)])
    publish(ledger)
    return ledger


@pytest.fixture
def heard() -> Iterator[None]:
    """Ctrl-C is heard, which is ignored where tests are run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Services:
    """All services in one."""
    made = Services()
    monkeypatch.setattr(deployment.boto3, "client", lambda service, **_: made)
    monkeypatch.setattr(state_machine, "_LOOK_SECONDS", 0.0)
    return made
