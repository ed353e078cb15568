"""`skyledger forget`: take images whose photos are deleted out of all that the export bucket keeps."""

from typing import Annotated, Any

import typer

from ledger.row import ETAG
from operations.cli.consent import Consent
from operations.cli.deployment import Deployment, make_deployment
from operations.cli.exit_codes import DIFFERENT
from operations.cli.options import AsJson, Bucket, EndpointUrl, Profile, Region, Stack, Yes
from operations.cli.output import Output
from operations.cli.work_folder import hold_work_folder
from operations.forget.findings import Findings
from operations.forget.forgetting import Forgotten, forget, still_there
from operations.forget.search import search
from operations.forget.what_stays import stays

# Commands that sort events or items in a folder of this machine, where an interrupted one leaves them.
_WORKING = ("replay", "verify", "backfill")


def command(
    etags: Annotated[list[str], typer.Argument(help="ETags of the images.", metavar="ETAG...")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only search, and say what would be done.")] = False,
    yes: Yes = False,
    bucket: Bucket = "",
    stack: Stack = "",
    profile: Profile = "",
    region: Region = "",
    endpoint_url: EndpointUrl = "",
    as_json: AsJson = False,
) -> None:
    """Forget images for good: delete their photos first, then this takes them out of journal, snapshots and all else.

    The whole journal is searched, and searched again afterwards. What was done, and what stays where for how long, is
    written to the bucket as a proof. Exit code 1: something is (still) found.
    """
    wanted = {etag.strip('"') for etag in etags}
    if bad := sorted(etag for etag in wanted if not ETAG.fullmatch(etag)):
        raise typer.BadParameter(f"{bad[0]!r} is no ETag")
    consent = Consent(yes=yes or dry_run, as_json=as_json)
    deployment, output = make_deployment(bucket, stack, profile, region, endpoint_url), Output(as_json)
    ledger = deployment.ledger()
    with output.progress() as progress:
        found = search(ledger, wanted, progress)
        living = still_there(ledger, found)
    _show(output, found, living)
    if dry_run:
        output.result({"found": _keys(found), "still_there": living, "stays": stays()})
        raise typer.Exit(0 if found.is_clean else DIFFERENT)
    consent.ask("Erase all of it for good?")
    _clear_work_folders(deployment)
    with output.progress() as progress:
        done = forget(ledger, found, progress)
    output.result({"proof": done.key, **done.proof})
    _tell(output, done)
    if not done.after.is_clean:
        raise typer.Exit(DIFFERENT)


def _clear_work_folders(deployment: Deployment) -> None:
    """Delete what interrupted commands left on this machine; one that is at work ends this one."""
    for name in _WORKING:
        hold_work_folder(deployment, None, name).clear()


def _keys(found: Findings) -> dict[str, list[str]]:
    return {name: [listed.key for listed in searched.found] for name, searched in found.places.items()}


def _show(output: Output, found: Findings, living: list[str]) -> None:
    rows: list[list[Any]] = [
        [name, f"{searched.objects:,}", f"{searched.bytes:,}", f"{len(searched.found):,}"]
        for name, searched in found.places.items()
    ]
    output.table(["place", "objects read", "bytes", "with the images"], rows)
    for etag in sorted(found.etags - found.known):
        output.say(f"-> no event is about {etag}")
    for etag in living:
        output.say(f"-> {etag} is not gone yet: delete the photo, with all its versions")
    for name in found.strangers:
        output.say(f"-> not Skyledger's, and not searched: {name}")


def _tell(output: Output, done: Forgotten) -> None:
    left = sum(len(searched.found) for searched in done.after.places.values())
    output.say(f"searched again: {f'{left:,} objects were written meanwhile' if left else 'nothing is found'}")
    if left or done.again_after:
        output.say(f"-> run it again{f' after {done.again_after}, when the stream has forgotten' * (not left)}")
    for one in stays():
        output.say(f"stays: {one['where']}: {one['what']}: {one['until']}")
    output.say(f"proof: {done.key}")
