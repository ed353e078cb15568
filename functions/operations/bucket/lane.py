"""The lane: objects that were seen are told to ImageProcessor, each as a message in a queue of their own.

    {"source": "skyledger", "detail-type": "Object Seen", "time": "2026-11-26T12:00:00Z",
     "detail": {"bucket": {"name": B}, "object": {"key": K, "etag": E, "size": N}, "reason": "verify",
                "wrong_row": "2026-11-25T09:00:00.000000Z"}}

ETag and size are what was seen, if they are known. `wrong_row` is there if the row of this ETag does not agree with the
records of its objects, and says by its `ingested_at` which row that is. The object is looked at again, so a message
that comes late or twice does no harm, and who is not sure that one was sent sends it again.
"""

import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Any, Literal

from botocore.config import Config

from ledger.errors import Unavailable
from ledger.event import time_text
from operations.batches import batched
from operations.bucket.lines import Listed

Reason = Literal["ingest", "verify", "reread"]

THREADS = 8
CONFIG = Config(retries={"mode": "standard", "max_attempts": 10}, max_pool_connections=THREADS)
"""Of the client that sends."""

_BATCH = 10  # SQS takes no more, and 1 MiB; a message has 7 KB at most (a key has 1,024 bytes)
_TRIES = 8
_PAUSE_SECONDS = 0.1  # doubled at each further try
_MOST_WAITING = 4 * THREADS


def seen_message(
    bucket: str, key: str, listed: Listed | None, reason: Reason, now: datetime, wrong_row: str = ""
) -> str:
    """Write the message that tells of an object.

    It is ASCII, since SQS refuses some characters that keys may have (API reference, SendMessage).
    """
    entity: dict[str, Any] = {"key": key}
    if listed is not None and listed.etag:
        entity["etag"] = listed.etag
    if listed is not None and listed.size is not None:
        entity["size"] = listed.size
    detail: dict[str, Any] = {"bucket": {"name": bucket}, "object": entity, "reason": reason}
    if wrong_row:
        detail["wrong_row"] = wrong_row
    message = {"source": "skyledger", "detail-type": "Object Seen", "time": time_text(now), "detail": detail}
    return json.dumps(message, separators=(",", ":"))


def send(
    sqs: Any,
    queue: str,
    messages: Iterable[str],
    *,
    rate: float = 0.0,
    sent: Callable[[int], None] = lambda count: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Send messages, many at a time; give their number.

    Args:
        sqs: boto3 client, with `CONFIG`.
        queue: URL.
        messages: read as they are sent.
        rate: messages a second, at most; 0: as fast as it goes.
        sent: is told how many of the first messages were surely sent, after each batch.
        clock: gives seconds that only grow.
        sleep: waits for seconds.

    Raises:
        Unavailable: the queue did not take a message, however often it was sent.
        BotoCoreError, ClientError: SQS did not answer, or refused.
    """
    flying: deque[Future[int]] = deque()
    count, began = 0, clock()
    with ThreadPoolExecutor(THREADS, thread_name_prefix="send") as pool:
        try:
            for number, batch in enumerate(batched(messages, _BATCH)):
                if rate and (early := began + number * _BATCH / rate - clock()) > 0:
                    sleep(early)
                flying.append(pool.submit(_send_batch, sqs, queue, batch, sleep))
                while flying and (len(flying) > _MOST_WAITING or flying[0].done()):
                    count += flying.popleft().result()
                    sent(count)
            while flying:
                count += flying.popleft().result()
                sent(count)
        finally:  # interrupted: what has not begun need not
            pool.shutdown(wait=True, cancel_futures=True)
    return count


def _send_batch(sqs: Any, queue: str, batch: list[str], sleep: Callable[[float], None]) -> int:
    left: Mapping[str, str] = {str(number): body for number, body in enumerate(batch)}
    for number in range(_TRIES):
        if number:
            sleep(_PAUSE_SECONDS * 2**number)
        entries = [{"Id": name, "MessageBody": body} for name, body in left.items()]
        answer = sqs.send_message_batch(QueueUrl=queue, Entries=entries)
        failed = answer.get("Failed", [])
        left = {one["Id"]: left[one["Id"]] for one in failed}
        if not left:
            return len(batch)
    raise Unavailable(f"the lane did not take a message: {failed[0]['Code']}, {failed[0].get('Message', '')}")
