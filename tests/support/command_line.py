"""What a run of the `skyledger` command gave."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass
class Ran:
    """What a command did: its exit code, and what it printed on standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Read the one JSON object on standard output."""
        return json.loads(self.out)
