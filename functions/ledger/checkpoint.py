"""How the root's checkpoint moves on: sequence numbers, the newest event, and gaps. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from ledger.event import is_number
from ledger.manifest import Checkpoint, Gap
from ledger.pending import Waiting

OPEN_GAPS = 100  # neighbouring gaps of one stream are one, so these are a hundred streams


def raise_highest(streams: dict[str, str], stream: str, number: str) -> None:
    """Keep the highest sequence number of a stream; numbers are compared as integers, their lengths differ."""
    if is_number(number) and int(number) >= int(streams.get(stream, "0")):
        streams[stream] = number


def advance(checkpoint: Checkpoint, done: Sequence[Waiting]) -> Checkpoint:
    """Say in the checkpoint that these segments are wholly merged."""
    streams, newest, gaps = dict(checkpoint.streams), checkpoint.newest_event, checkpoint.gaps
    tables = {stream.partition("/")[0] for stream in streams if stream}
    for waiting in done:
        for stream, number in waiting.streams.items():
            if stream and stream not in streams and stream.partition("/")[0] in tables:
                gaps = add_gap(gaps, Gap("new-stream", stream, checkpoint.newest_event, waiting.newest_event))
            raise_highest(streams, stream, number)
        for gap in waiting.gaps:
            gaps = add_gap(gaps, replace(gap, since=checkpoint.newest_event))
        newest = max(newest, waiting.newest_event)
    return replace(checkpoint, newest_event=newest, streams=streams, gaps=gaps)


def add_gap(gaps: tuple[Gap, ...], new: Gap) -> tuple[Gap, ...]:
    """Add a gap; one of the same kind and stream that is open already grows instead."""
    for index, gap in enumerate(gaps):
        if (gap.kind, gap.stream) == (new.kind, new.stream):
            grown = replace(gap, since=min(gap.since, new.since), until=max(gap.until, new.until))
            return (*gaps[:index], grown, *gaps[index + 1 :])
    return (*gaps, new)[-OPEN_GAPS:]
