"""DynamoDB in a simulation's time: a transaction takes a while, and who comes meanwhile to one of its items conflicts.

A transaction is prepared, item by item, and committed (Vig et al., "Distributed Transactions at Scale in Amazon
DynamoDB", USENIX ATC 2023; Developer Guide, "DynamoDB transactions: how it works"):

    sent      prepared: every condition is looked at, the items are held       committed       answered
     |--------------|-----------------------------------------------------------|---------------|

Another transaction that comes to an item that is held is cancelled with TransactionConflict; so is one of which a
condition fails, and it holds until then what it has prepared. A GetItem is answered at any time, with what was last
committed. What a transaction takes is what was measured from a Lambda function (alexdebrie/
dynamodb-performance-testing: five items 25 ms, with a condition that fails just as long, one PutItem 8 ms).
"""

from collections import Counter, deque
from typing import Any

from infra.doubles.capacity import NEW_TABLE, Capacity, write_units
from infra.doubles.memory_tables import MemoryTables, Place, cancel, place_of
from infra.doubles.scheduler import Scheduler

READ_SECONDS = 0.006
PREPARE_SECONDS, HELD_SECONDS, ANSWER_SECONDS = 0.009, 0.009, 0.007


class TimedTables(MemoryTables):
    """The tables as processes of a scheduler meet them.

    Args:
        scheduler: its clock counts seconds.
        units: write units that each table takes in a second.

    Attributes:
        reads: GetItems so far.
        sent: transactions so far.
        refused: writes of cancelled transactions by the reason that stood against them.
        capacity: of the tables.
    """

    def __init__(self, scheduler: Scheduler[float], units: float = NEW_TABLE) -> None:
        super().__init__()
        self._scheduler = scheduler
        self.reads = self.sent = 0
        self.refused: Counter[str] = Counter()
        self.capacity = Capacity(lambda: scheduler.now, units)
        self._held: dict[Place, float] = {}  # until when
        self._prepared: deque[tuple[float, list[dict[str, Any]]]] = deque()  # to be committed, and when

    def get_item(self, **arguments: Any) -> dict[str, Any]:
        """Read what was last committed."""
        self.reads += 1
        self._pass(READ_SECONDS / 2)
        answer = super().get_item(**arguments)
        self._pass(READ_SECONDS / 2)
        return answer

    def transact_write_items(self, **arguments: Any) -> dict[str, Any]:
        """Write all or nothing, if nobody else is about to write any of it."""
        items = arguments["TransactItems"]
        self.sent += 1
        self._pass(PREPARE_SECONDS)
        reasons = self._prepare(items)
        self._pass(HELD_SECONDS + ANSWER_SECONDS)
        cancel(reasons)
        return {}

    def _prepare(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        now = self._scheduler.now
        places = [place_of(item) for item in items]
        needs = {
            place: float(write_units(item, self.tables[place[0]].get(place[1])))
            for place, item in zip(places, items, strict=True)
        }
        short = self.capacity.prepare(needs)
        reasons = self.reasons(items)
        for number, place in enumerate(places):
            if place in short:
                reasons[number] = {"Code": "ThrottlingError"}
            elif self._held.get(place, now) > now:
                reasons[number] = {"Code": "TransactionConflict"}
        codes = Counter(reason["Code"] for reason in reasons)
        mine = [place for place, reason in zip(places, reasons, strict=True) if reason["Code"] == "None"]
        self._held |= dict.fromkeys(mine, now + HELD_SECONDS)
        if len(mine) == len(places):
            self.capacity.commit(needs)
            self._prepared.append((now + HELD_SECONDS, items))
        else:
            del codes["None"]
            self.refused += codes
        return reasons

    def _pass(self, seconds: float) -> None:
        """Let time go by, and commit what is due."""
        self._scheduler.wait(self._scheduler.now + seconds)
        while self._prepared and self._prepared[0][0] <= self._scheduler.now:
            self.carry_out(self._prepared.popleft()[1])
