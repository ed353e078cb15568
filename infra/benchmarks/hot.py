"""What many functions meet at: copies of one photo all at once, one object again and again; in a simulation.

usage: ./infra/bench hot [--copies 300 500] [--overwrites N] [--deleted N] [--seed S]

As many functions as the template allows take messages of S3, ten threads each, and the tables answer in the time that
was measured on AWS: a transaction 25 ms, of which it holds its items for 9; another one that comes to them meanwhile is
cancelled, as is one that finds less than the thousand write units a second that one key has. Three meetings:
- --copies of one photo at once, a tenth of which is deleted within the next second: all want the one row, and the
  record of the newest object;
- one object is written and deleted --overwrites times, and the events come out of order;
- --deleted copies of one photo are deleted at once.

Conflicts, conditions and throttled count writes of cancelled transactions. "Left" are messages that were not done
after so many deliveries, six minutes apart; with the fifth they are dead. Left out are Lambda's slow start, which would
be a help, and the processes in which a second delivery reads its photos. The run fails if the tables then do not say
what the bucket has, or disagree. The last line is one JSON object: left_300, left_500 (after two deliveries),
transactions_per_copy_300.
"""

import json
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from infra.benchmarks._report import arguments_of, console, make_table, show
from infra.doubles.crowds import Crowd, Met
from infra.doubles.image_queue import of_template

DELIVERIES = 2
"""After so many nothing is to be left."""


def main(argv: Sequence[str]) -> int:
    """Run the simulations, print a table and the JSON line; 1 if the tables end wrong."""
    parser = arguments_of("hot", __doc__)
    parser.add_argument("--copies", type=int, nargs="*", default=[300, 500])
    parser.add_argument("--overwrites", type=int, default=100)
    parser.add_argument("--deleted", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(argv)
    table = make_table("meeting", "messages", "left after 1 to 5 deliveries", "seconds", "transactions", "GetItems",
                       "conflicts", "conditions", "throttled", left=("meeting",))  # fmt: skip
    met: dict[str, Met] = {}
    for name, meet in _meetings(arguments):
        with console.status(f"{name} ..."):
            met[name] = meet(Crowd(seed=arguments.seed))
        table.add_row(name, *_cells(met[name]))
    show(table)
    faults = [fault for one in met.values() for fault in one.faults]
    for fault in faults:
        print(f"wrong: {fault}")
    result: dict[str, float] = {}
    for count in arguments.copies:
        copies = met[f"{count} copies"]
        result[f"left_{count}"] = copies.drained.left(DELIVERIES)
        result[f"transactions_per_copy_{count}"] = round(copies.transactions / count, 2)
    print(json.dumps(result))
    return 1 if faults else 0


def _meetings(arguments: Namespace) -> Iterator[tuple[str, Callable[[Crowd], Met]]]:
    for count in arguments.copies:
        yield f"{count} copies", partial(Crowd.copies, count=count)
    yield f"one object, {arguments.overwrites} times", partial(Crowd.overwrites, count=arguments.overwrites)
    yield f"{arguments.deleted} deleted", partial(Crowd.clearance, count=arguments.deleted)


def _cells(met: Met) -> Iterator[str]:
    yield f"{met.messages:,}"
    yield " ".join(str(met.drained.left(number)) for number in range(1, of_template().receives + 1))
    yield f"{met.drained.seconds:,.0f}"
    yield f"{met.transactions:,}"
    yield f"{met.reads:,}"
    for code in ("TransactionConflict", "ConditionalCheckFailed", "ThrottlingError"):
        yield f"{met.refused[code]:,}"
