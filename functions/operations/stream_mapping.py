"""The mapping by which Lambda follows the table's stream and calls the exporter."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError


def stream_state(functions: Any, mapping: str) -> str:
    """Ask Lambda whether the stream is followed.

    Args:
        functions: client of Lambda.
        mapping: UUID of the event source mapping.
    """
    return str(functions.get_event_source_mapping(UUID=mapping)["State"])


def is_followed(functions: Any, mapping: str) -> bool:
    """Say whether the stream is followed; False also where one may not ask, since it is only for a warning."""
    try:
        return stream_state(functions, mapping) == "Enabled"
    except (BotoCoreError, ClientError):
        return False


def switch_stream(functions: Any, mapping: str, *, on: bool) -> str:
    """Follow the stream, or let it wait; give the state that the mapping is in by now.

    Args:
        functions: client of Lambda.
        mapping: UUID of the event source mapping.
        on: whether to follow it.
    """
    return str(functions.update_event_source_mapping(UUID=mapping, Enabled=on)["State"])
