"""What is read of a stream record beside its images."""

from ledger.event import read_event
from tests.support.factories import START, STREAM, event, insert, item


def test_the_name_of_a_stream_is_its_table_and_label() -> None:
    """X11: a stream that is switched off and on has another label, and so a checkpoint line of its own."""
    assert read_event(insert(1)).stream == "Images/2026-11-25T07:00:00.000"
    assert (
        read_event(event("INSERT", item(1), stream=STREAM.replace("11-25", "11-26"))).stream
        != read_event(insert(1)).stream
    )


def test_an_events_time_is_in_whole_seconds() -> None:
    """AWS rounds it down; some emulators give fractions."""
    one = insert(1)
    one["dynamodb"]["ApproximateCreationDateTime"] = START.timestamp() + 0.75
    assert read_event(one).time == "2026-11-25T08:00:00Z"
