"""Who may ask the page's server for something: decided by a request's first line and headers alone. Pure.

The server reads with its user's credentials, and two kinds of strangers reach a server on loopback: every user of the
machine, and every web page that its user has open. So

- the address begins with a secret token. It stands in the path and not in a cookie, because cookies know no ports
  (RFC 6265, 8.5, "Weak Confidentiality"): the browser would bring it to whoever listens on another port of this
  machine, and with requests that a page from there makes, which counts as of the same site. A path is sent by nobody
  who does not know it. Jupyter, which has it in the query, tells of the ways on which it gets out
  (jupyter/notebook#4260);
- what the page adds to its address, the view, stands behind `#`, which no server is sent. Who passes such a link on
  gives the token with it, as with the address itself;
- the host must be this server's own name: a name of somebody else that leads to this machine (DNS rebinding) makes a
  page from there one of our origin;
- the port is another one each time. A browser keeps what an origin left with it, and an origin is a name and a port:
  whoever listened there before may have left a service worker, which sees the address of all that is opened there
  later, secret included ("Service Workers", W3C, "Handle Fetch"), and which nothing that we answer takes off;
- what the page of another origin asks for is refused even with the token (W3C, "Fetch Metadata Request Headers"),
  except that it may lead to the start page, opened as a document of its own: that is what following a link is.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus

ADDRESS = "127.0.0.1"
_NAMES = (ADDRESS, "localhost")
_HOST = re.compile(r"(?:[0-9A-Za-z.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_USUAL_PORT = 80  # browsers leave it out
_TOKEN_BYTES = 32
# Whose request it is, in `Sec-Fetch-Site`: the page's, or the user's own (typed, from a bookmark).
_OWN_SITES = ("same-origin", "none")

WITHOUT_TOKEN = "the address has a secret in it: open it as it was printed where the page is served"


class NotAdmitted(Exception):
    """The request is not answered.

    Attributes:
        status: says why to a program.
        headers: that go with the status.
    """

    def __init__(self, status: HTTPStatus, why: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(why)
        self.status = status
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class Access:
    """What a request must know and be.

    Attributes:
        port: on which the server listens.
        token: that the path begins with, new for every server.
    """

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(_TOKEN_BYTES), repr=False)

    @property
    def address(self) -> str:
        """Give the address of the start page."""
        return f"http://{ADDRESS}:{self.port}/{self.token}/"

    def admit(self, version: str, target: str, headers: Message) -> str:
        """Give the path behind the token; empty for the start page.

        Args:
            version: the protocol that the request speaks.
            target: the second word of its first line, as it came.
            headers: as they were parsed.

        Raises:
            NotAdmitted: it is not to be answered.
        """
        if version not in ("HTTP/1.0", "HTTP/1.1") or headers.defects or not target.startswith("/"):
            raise NotAdmitted(HTTPStatus.BAD_REQUEST, "this is no request of a browser")
        if "Transfer-Encoding" in headers or headers.get("Content-Length", "0") != "0":
            raise NotAdmitted(HTTPStatus.BAD_REQUEST, "a request has no body here")
        host = self._own_host(headers)
        token, slash, path = target[1:].partition("/")
        if not secrets.compare_digest(token.encode(), self.token.encode()):
            raise NotAdmitted(HTTPStatus.FORBIDDEN, WITHOUT_TOKEN)
        if not _is_own(host, headers) and not (path == "" and _opens_document(headers)):
            raise NotAdmitted(HTTPStatus.FORBIDDEN, "a page of another origin asks")
        if not slash:
            raise NotAdmitted(HTTPStatus.TEMPORARY_REDIRECT, "the address ends in /", {"Location": f"/{token}/"})
        return path

    def _own_host(self, headers: Message) -> str:
        hosts = headers.get_all("Host", [])
        if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
            raise NotAdmitted(HTTPStatus.BAD_REQUEST, "the request does not say which host it asks")
        own = {f"{name}:{self.port}" for name in _NAMES} | {*(_NAMES if self.port == _USUAL_PORT else ())}
        if hosts[0].lower() not in own:
            raise NotAdmitted(HTTPStatus.MISDIRECTED_REQUEST, "this server has another name")
        return str(hosts[0]).lower()


def _is_own(host: str, headers: Message) -> bool:
    """Say whether the request is the page's or the user's own; browsers of before 2023 do not tell the site."""
    return headers.get("Origin", f"http://{host}") == f"http://{host}" and (
        headers.get("Sec-Fetch-Site", "none") in _OWN_SITES
    )


def _opens_document(headers: Message) -> bool:
    """Say whether the browser opens a tab, and no frame."""
    return "Origin" not in headers and (
        (headers.get("Sec-Fetch-Mode"), headers.get("Sec-Fetch-Dest")) == ("navigate", "document")
    )
