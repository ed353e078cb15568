"""A store whose calls a test can count, get in the way of, or let land and lose the answer of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Do = Callable[[Callable[[], Any]], Any]


@dataclass
class _Rule:
    verb: str
    key: str
    do: Do
    times: int
    after: int


class WatchedStore:
    """Passes every call on to a store, by the rules that the test has laid down.

    Attributes:
        calls: verb and key of every call, in order (`map` is no call: it only runs others).
    """

    def __init__(self, store: Any) -> None:
        self.store = store
        self.calls: list[tuple[str, str]] = []
        self._rules: list[_Rule] = []

    def on(self, verb: str, key: str, do: Do, *, times: int = 1, after: int = 0) -> None:
        """Run `do` in place of the next `times` calls of a verb on keys that start so, after `after` such calls.

        `do` gets the call itself, as a function without arguments, and what it returns is the call's answer.
        """
        self._rules.append(_Rule(verb, key, do, times, after))

    def verbs(self, key: str = "") -> list[str]:
        """Name the verbs called on keys that start so, in order."""
        return [verb for verb, called in self.calls if called.startswith(key)]

    def map(self, function: Callable[[Any], Any], items: Any) -> Any:
        """Call a function for every item."""
        return self.store.map(function, items)

    def __getattr__(self, verb: str) -> Any:
        method = getattr(self.store, verb)
        if not callable(method):
            return method

        def call(*arguments: Any, **named: Any) -> Any:
            key = arguments[0] if isinstance(arguments[0], str) else ",".join(arguments[0])
            kind = "get" if verb == "get_if_changed" else verb  # to S3 it is a GET like any other
            self.calls.append((kind, key))
            do = self._rule(kind, key)
            return do(lambda: method(*arguments, **named))

        return call

    def _rule(self, verb: str, key: str) -> Do:
        for rule in self._rules:
            if rule.verb == verb and key.startswith(rule.key) and rule.times:
                if rule.after:
                    rule.after -= 1
                    continue
                rule.times -= 1
                return rule.do
        return lambda proceed: proceed()


def refuse(error: Exception) -> Do:
    """Fail without having done anything."""

    def do(proceed: Callable[[], Any]) -> Any:
        raise error

    return do


def land_and_lose(error: Exception) -> Do:
    """Do it, but fail as if the answer had been lost."""

    def do(proceed: Callable[[], Any]) -> Any:
        proceed()
        raise error

    return do


def first(action: Callable[[], Any]) -> Do:
    """Do something else before the call: what a rival does in that moment."""

    def do(proceed: Callable[[], Any]) -> Any:
        action()
        return proceed()

    return do


class RivalStore(WatchedStore):
    """Lets a rival act before one call, and looks at the store after every call.

    Args:
        store: the store.
        number: of the call before which the rival acts; 0 for none.
        rival: what he does.
        look: is called after every call of ours that came through.
    """

    def __init__(self, store: Any, number: int, rival: Callable[[], Any], look: Callable[[], Any]) -> None:
        super().__init__(store)
        self._number, self._rival, self._look = number, rival, look

    def _rule(self, verb: str, key: str) -> Do:
        def do(proceed: Callable[[], Any]) -> Any:
            if len(self.calls) == self._number:
                self._rival()
            try:
                return proceed()
            finally:
                self._look()

        return do
