"""Who may ask the page's server for something."""

import ast
import inspect
from email.message import Message
from email.parser import Parser
from http import HTTPStatus

import pytest

from operations.page import access
from operations.page.access import Access, NotAdmitted

PORT = 8765
TOKEN = "the-token"
OWN = "127.0.0.1:8765"


def head(*lines: str, host: str = OWN) -> Message:
    return Parser().parsestr("\r\n".join((f"Host: {host}", *lines, "", "")), headersonly=True)


def refused(target: str, headers: Message, version: str = "HTTP/1.1") -> NotAdmitted:
    with pytest.raises(NotAdmitted) as refusal:
        Access(PORT, TOKEN).admit(version, target, headers)
    return refusal.value


def test_every_server_has_a_token_that_nobody_guesses() -> None:
    """256 random bits, which fit into an address as they are, and which no representation of the object tells."""
    made = [Access(PORT) for _ in range(20)]
    tokens = {one.token for one in made}
    assert len(tokens) == 20
    assert all(len(token) == 43 and token.replace("-", "").replace("_", "").isalnum() for token in tokens)
    assert made[0].address == f"http://127.0.0.1:8765/{made[0].token}/"
    assert made[0].token not in repr(made[0])


@pytest.mark.parametrize(
    "target",
    ["/", "/manifest.json", "/the-toke/", "/the-token2/", "/THE-TOKEN/", "//the-token/", "/the%2dtoken/",
     "/%74he-token/", "/the-token?", "/?token=the-token", "/page/../the-token/", "/\u00e9\u0000/"],
)  # fmt: skip
def test_without_the_token_nothing_is_answered(target: str) -> None:
    """Whatever stands there in its place, and whatever stands behind; the refusal says where the address is found."""
    refusal = refused(target, head())
    assert refusal.status is HTTPStatus.FORBIDDEN
    assert str(refusal) == access.WITHOUT_TOKEN


def test_the_token_is_compared_in_constant_time() -> None:
    """How long a refusal takes must not tell how much of a guess is right; so no `==` looks at a token."""
    tree = ast.parse(inspect.getsource(access))
    calls = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert [call for call in calls if call.startswith("secrets.compare_digest(token")]
    compared = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Compare)]
    assert not [text for text in compared if "token" in text]


@pytest.mark.parametrize(
    ("target", "path"),
    [("/the-token/", ""), ("/the-token/manifest.json", "manifest.json"), ("/the-token//x", "/x"),
     ("/the-token/a%2f..%2fb?c", "a%2f..%2fb?c")],
)  # fmt: skip
def test_the_path_behind_the_token_is_given_as_it_came(target: str, path: str) -> None:
    """Nothing is decoded, cut or tidied on the way."""
    assert Access(PORT, TOKEN).admit("HTTP/1.1", target, head()) == path


def test_an_address_copied_without_its_last_slash_is_helped() -> None:
    """Links of the page are relative, so they need it."""
    refusal = refused("/the-token", head())
    assert (refusal.status, refusal.headers) == (307, {"Location": "/the-token/"})


@pytest.mark.parametrize(
    "host",
    ["", "[::1", "[::1]x", "evil@localhost", "evil@localhost:8765", "evil@127.0.0.1:8765", "127.0.0.1:8765/",
     "127.0.0.1:", "127.0.0.1:8765:8765", "127.0.0.1 :8765", "127.0.0.1:8765, evil.example", "127.0.0.1:\u0668765",
     "127.0.0.1:+8765", "localhost:8765#", "localhost\\:8765", "127.0.0.1:875665555555555555555"],
)  # fmt: skip
def test_a_host_that_is_none_is_a_bad_request(host: str) -> None:
    assert refused("/the-token/", head(host=host)).status is HTTPStatus.BAD_REQUEST


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8765", "localhost.evil.example:8765", "127.0.0.1.evil.example:8765", "127.0.0.1",
     "localhost", "127.0.0.1:8766", "127.0.0.2:8765", "127.1:8765", "0.0.0.0:8765", "[::1]:8765", "2130706433:8765",
     "localhost.:8765", "127.0.0.1:08765"],
)  # fmt: skip
def test_only_this_servers_own_names_are_answered(host: str) -> None:
    """A name of somebody else that leads to this machine would make his page one of our origin (DNS rebinding)."""
    assert refused("/the-token/", head(host=host)).status is HTTPStatus.MISDIRECTED_REQUEST


def test_both_names_of_this_machine_are_its_own() -> None:
    """On the usual port browsers leave the port out."""
    for host in (OWN, "localhost:8765", "LOCALHOST:8765"):
        assert Access(PORT, TOKEN).admit("HTTP/1.1", "/the-token/", head(host=host)) == ""
    assert Access(80, TOKEN).admit("HTTP/1.1", "/the-token/", head(host="127.0.0.1")) == ""


@pytest.mark.parametrize(
    "headers",
    [
        head("Host: 127.0.0.1:8765"),
        head("no header"),
        head("Content-Length: 5"),
        head("Content-Length: +0"),
        head("Transfer-Encoding: chunked"),
        Parser().parsestr("\r\n\r\n", headersonly=True),
    ],
    ids=["two hosts", "a line that is no header", "a body", "perhaps a body", "chunks", "no host"],
)
def test_what_no_browser_sends_is_a_bad_request(headers: Message) -> None:
    """A body would be taken for the next request; behind a line that is no header, others would not be seen."""
    assert refused("/the-token/", headers).status is HTTPStatus.BAD_REQUEST


@pytest.mark.parametrize(
    ("target", "version"),
    [("http://127.0.0.1:8765/the-token/", "HTTP/1.1"), ("the-token/", "HTTP/1.1"), ("*", "HTTP/1.1"),
     ("/the-token/", "HTTP/0.9"), ("/the-token/", "HTTP/1.2")],
)  # fmt: skip
def test_a_first_line_is_a_path_and_a_protocol_with_headers(target: str, version: str) -> None:
    """An answer of HTTP/0.9 has no headers, and so none of those that protect."""
    assert refused(target, head(), version).status is HTTPStatus.BAD_REQUEST


@pytest.mark.parametrize(
    "lines",
    [
        ("Origin: http://evil.example",),
        ("Origin: null",),
        ("Origin: http://127.0.0.1:9999", "Sec-Fetch-Site: same-site"),
        ("Origin: http://localhost:8765",),
        ("Origin: https://127.0.0.1:8765",),
        ("Sec-Fetch-Site: cross-site",),
        ("Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"),
        ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"),
        ("Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: embed"),
        ("Sec-Fetch-Site: made-up",),
        ("Origin: null", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"),
    ],
)
def test_a_page_of_another_origin_gets_nothing(lines: tuple[str, ...]) -> None:
    """Though it knows the token; another port of this machine is another origin, if of the same site."""
    for target in ("/the-token/", "/the-token/manifest.json"):
        assert refused(target, head(*lines)).status is HTTPStatus.FORBIDDEN


def test_a_link_from_elsewhere_opens_the_start_page_and_nothing_else() -> None:
    """As a document of its own, in which nobody else has a say."""
    link = head("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")
    assert Access(PORT, TOKEN).admit("HTTP/1.1", "/the-token/", link) == ""
    assert refused("/the-token/image-data.csv", link).status is HTTPStatus.FORBIDDEN


@pytest.mark.parametrize(
    "lines",
    [(), ("Sec-Fetch-Site: none",), ("Sec-Fetch-Site: same-origin",), (f"Origin: http://{OWN}",)],
)
def test_the_page_itself_and_its_user_are_answered(lines: tuple[str, ...]) -> None:
    """And a browser or a tool that says nothing of where a request comes from."""
    assert Access(PORT, TOKEN).admit("HTTP/1.1", "/the-token/manifest.json", head(*lines)) == "manifest.json"
