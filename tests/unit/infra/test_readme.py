"""The READMEs are short enough to be read, and name what there is."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT

FOR_USERS = ROOT / "README.md"
MOST_LINES = 300
# Characters of a line that is no row of a table: so nothing gets below the limit by joining lines.
LONGEST_LINE = 180
# Each README with the least number of files that it names, and of links within the project: a finder that finds
# nothing must not pass.
READMES = [
    pytest.param(FOR_USERS, 8, 8, id="for users"),
    pytest.param(ROOT / "functions" / "README.md", 80, 3, id="the design"),
    pytest.param(ROOT / "infra" / "README.md", 25, 2, id="for operators"),
]

# What looks like a path and is none of the project: keys of the export bucket, and what commands make for readers.
_IS_NONE_OF_OURS = re.compile(
    r"(aws/lambda|bucket-check|engines|forgotten|journal|leading|manifest|page|pending|publishing|quarantine|replay|roots|shards|snapshots"
    r"|table-exports)/\S*|(announced|bucket-check|collecting|forgetting|manifest)\.json|(image-data|selection)\.\S+|index\.html|geo\.txt|pix4d\.csv"
).fullmatch
# A word with a slash in it, or with the ending of a file that a project has.
_IS_PATH = re.compile(r"[\w.<>*-]+/\S*|[\w-]+\.(py|md|yaml|toml|lock|json|txt|csv|html|mjs|js|png)").fullmatch
_FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!\w+:)([^)\s]+)\)")


def test_the_readme_for_users_is_read_in_one_go() -> None:
    """At most 300 lines, and no line that is really several."""
    lines = FOR_USERS.read_text(encoding="utf-8").splitlines()
    assert 100 < len(lines) <= MOST_LINES
    assert [line for line in lines if len(line) > LONGEST_LINE and not line.startswith("|")] == []


@pytest.mark.parametrize(("readme", "paths", "links"), READMES)
def test_every_file_that_a_readme_names_exists(readme: Path, paths: int, links: int) -> None:
    """By its path, or by its name alone where its folder was named just before."""
    named = list(paths_named(readme.read_text(encoding="utf-8")))
    assert len({path for path, _ in named}) >= paths
    assert [path for path, folders in named if not is_there(path, readme.parent, folders)] == []


@pytest.mark.parametrize(("readme", "paths", "links"), READMES)
def test_every_link_of_a_readme_leads_somewhere(readme: Path, paths: int, links: int) -> None:
    """To a file, and to a heading in it if it says which."""
    found = _LINK.findall(readme.read_text(encoding="utf-8"))
    assert len(found) >= links
    assert [link for link in found if not leads_somewhere(link, readme)] == []


def test_what_is_missing_is_found() -> None:
    """The finder tells files from keys of the bucket, and knows what does not exist."""
    text = (
        "`infra/run`, `./infra/no thing`, `ledger/commit.py` and `ledger/nothing.py`, `journal/`, `manifest.json`\n"
        "`operations/live/`: `swap.py`, `lost.py`, `a.b`, `one thing/two`\n"
        "`swap.py`\n"
        "```console\n$ ./infra/test\n$ ./infra/tset `tests/gone/`\n```\n"
    )
    named = list(paths_named(text))
    assert len(named) == 10
    missing = [path for path, folders in named if not is_there(path, ROOT / "functions", folders)]
    assert missing == ["./infra/no", "ledger/nothing.py", "lost.py", "swap.py", "./infra/tset"]
    assert leads_somewhere("infra/README.md#run-book", FOR_USERS)
    assert not leads_somewhere("infra/README.md#no-such-heading", FOR_USERS)
    assert not leads_somewhere("infra/READ.md", FOR_USERS)


def paths_named(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Give the files and folders that a text names in backticks, each with the folders named before it in its item.

    An item is a line with the lines below it that are indented. Of code blocks only the scripts count that they call.
    """
    folders: tuple[str, ...] = ()
    for line in _FENCED.sub("", text).splitlines():
        assert line.count("`") % 2 == 0, f"broken over two lines, and so not looked at: {line}"
        folders = folders if line.startswith(" ") else ()
        for code in re.findall(r"`([^`]+)`", line):
            name, *arguments = code.split()
            if _IS_NONE_OF_OURS(name) or not _IS_PATH(name) or (arguments and not name.startswith("./")):
                continue
            yield name, folders
            folders = (*folders, name.rpartition("/")[0])
    for block in _FENCED.findall(text):
        for name in re.findall(r"(?<!\S)\./\S+", block):
            yield name, ()


def is_there(name: str, beside: Path, folders: tuple[str, ...]) -> bool:
    """Say whether a file or folder exists: from the top, beside the README, among the functions, or in its folders."""
    places = (ROOT, beside, ROOT / "functions")
    return any((place / folder / name).exists() for place in places for folder in ("", *folders))


def leads_somewhere(link: str, readme: Path) -> bool:
    """Say whether a relative link has its file, and there its heading."""
    file, _, anchor = link.partition("#")
    target = readme.parent / file if file else readme
    if not anchor or not target.is_file():
        return target.exists() and not anchor
    headings = re.findall(r"^#+ (.+)$", _FENCED.sub("", target.read_text(encoding="utf-8")), re.MULTILINE)
    return anchor in map(_anchor, headings)


def _anchor(heading: str) -> str:
    """Give the anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
