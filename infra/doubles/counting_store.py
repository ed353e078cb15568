"""A store that counts what is asked of it, and the processor's time that is spent inside it."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

READS = (
    "get",
    "get_if_changed",
    "get_range",
    "head",
)  # what S3 bills as GETs; a DELETE is free, all else is billed as PUTs


class CountingStore:
    """Passes every call on to a store.

    Attributes:
        calls: requests by verb and first part of the key.
        written: bytes that went out in bodies.
        read: bytes that came in.
        copied: bytes that S3 copied by itself.
        seconds: of the processor, inside the store (only right if its `map` does one thing after the other).
    """

    def __init__(self, store: Any) -> None:
        self._store = store
        self._lock = Lock()
        self.reset()

    def reset(self) -> None:
        """Count from zero."""
        self.calls: Counter[tuple[str, str]] = Counter()
        self.written = self.read = self.copied = 0
        self.seconds = 0.0

    @property
    def requests(self) -> int:
        """Count the requests."""
        return sum(self.calls.values())

    def count(self, *verbs: str, prefix: str = "") -> int:
        """Count the requests of some verbs on keys whose first part starts so."""
        return sum(n for (verb, folder), n in self.calls.items() if verb in verbs and folder.startswith(prefix))

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Sequence[R]:
        """Call a function for every item, as the store does."""
        done: Sequence[R] = self._store.map(function, items)
        return done

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        method = getattr(self._store, verb)

        def call(*arguments: Any, **named: Any) -> Any:
            began = time.process_time()
            try:
                answer = method(*arguments, **named)
            finally:
                spent = time.process_time() - began
                key = arguments[0] if isinstance(arguments[0], str) else arguments[0][0]
                with self._lock:
                    self.calls[verb, key.partition("/")[0]] += 1
                    self.seconds += spent
                    self.written += sum(len(one) for one in arguments if isinstance(one, bytes))
                    if verb == "copy_part":
                        self.copied += arguments[3].size
            with self._lock:
                self.read += len(answer) if isinstance(answer, bytes) else len(getattr(answer, "body", b""))
            return answer

        return call
