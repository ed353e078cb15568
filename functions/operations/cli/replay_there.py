"""What `skyledger replay --distributed` does: let Step Functions rebuild the tree, and ask before it is swapped in.

The state machine asks nobody. So while the answer is not known it only pins the tree, and the tree is restored from
there when the rows after are known and agreed to. Whoever does not answer, or whose connection breaks, goes on with
`skyledger restore`.
"""

from datetime import UTC, datetime
from typing import Any

from ledger.event import time_text
from ledger.ledger import Ledger
from operations.cli.consent import Consent, ask_to_restore, rows_now
from operations.cli.deployment import Deployment
from operations.cli.output import Output
from operations.errors import NotAgreed
from operations.live.root import live_root
from operations.live.snapshot import load, remove, restore
from operations.state_machine import run_state_machine


def replay_there(
    deployment: Deployment, ledger: Ledger, output: Output, wishes: dict[str, Any], consent: Consent
) -> dict[str, Any]:
    """Run the state machine with these wishes; give what came of it as a program gets it.

    Raises:
        ExecutionFailed: it failed; nothing was swapped unless that says so.
        NotAgreed: the tree is not to be swapped in; it stays pinned.
        NoPlace: the stack has no such state machine.
    """
    if consent.given:
        return _run(deployment, output, wishes)
    until = wishes["until"]
    name = wishes["snapshot"] or _free_name(ledger, until)
    output.note(f"{rows_now(live_root(ledger)[0])}; how many it had at {until} is known when the tree is built")
    output.note(f"then this asks; the tree is pinned as {name} meanwhile, and skyledger restore {name} goes on as well")
    built = _run(deployment, output, wishes | {"swap": False, "snapshot": name})
    wanted = load(ledger, name)
    try:
        ask_to_restore(consent, deployment, ledger, wanted, until)
    except NotAgreed:
        output.note(f"the tree stays pinned: skyledger restore {name}, or skyledger snapshot {name} --remove")
        raise
    with output.progress() as progress:
        root, undo = restore(ledger, wanted, until, progress)
    if not wishes["snapshot"]:
        remove(ledger, name)
        del built["snapshot"]
    return built | {"undo": undo, "version": root.version, "tree": root.tree_hash}


def _run(deployment: Deployment, output: Output, wishes: dict[str, Any]) -> dict[str, Any]:
    with output.progress() as progress:
        machine = deployment.output("ReplayStateMachineArn")
        return run_state_machine(deployment.client("stepfunctions"), machine, wishes, progress, output.note)


def _free_name(ledger: Ledger, until: str) -> str:
    """Name a snapshot as no other is: by the time that it is of, and that of the call."""
    called = time_text(datetime.fromtimestamp(ledger.now(), UTC))
    return f"until-{until}-made-{called}".replace(":", "")
