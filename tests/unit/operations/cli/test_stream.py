"""`skyledger stream` switches the exporter on and off."""

from collections.abc import Callable

from ledger.ledger import Ledger
from tests.support.aws_services import Services
from tests.support.command_line import Ran

Run = Callable[..., Ran]


def test_the_stream_is_switched_off_and_on(skyledger: Run, filled: Ledger, services: Services) -> None:
    """Restoring without new events needs it."""
    assert "the stream is disabling" in skyledger("stream", "off", "--stack", "sky").out
    assert skyledger("stream", "on", "--stack", "sky", "--json").json == {"state": "Enabling"}
    assert services.switched == [{"UUID": "mapping", "Enabled": False}, {"UUID": "mapping", "Enabled": True}]
    assert skyledger("stream", "on").code == 2, "without a stack it is not known which"
