"""The outside: posts to addresses that somebody typed, and never to what stands behind our walls.

A name is looked up once, every address that it leads to must be one of the open net, and the line
goes to the address that was looked at: a name that leads elsewhere a moment later gains nothing.
Nothing is followed elsewhere, and of the answer only its number is read.
"""

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Timer
from urllib.parse import urlsplit

from django.conf import settings

from annotation.errors import InvalidInputError, TransientError

# For each word of it, and for all of it.
SECONDS, MOST_SECONDS = 10, 15
LONGEST = 500
# Addresses within addresses: what they lead to is looked at, not the wrapping.
_MAPPED = (
    ipaddress.ip_network("64:ff9b::/96"),
    ipaddress.ip_network("2002::/16"),
    ipaddress.ip_network("2001::/32"),
)


class AwayError(TransientError):
    """Who was written to does not answer."""

    code = "away"


def checked_address(url: str) -> str:
    """Return an address as it may be kept; raise if nobody could be written to there.

    >>> checked_address(" https://example.org/news?from=us ")
    'https://example.org/news?from=us'
    """
    try:
        told = urlsplit(url.strip())
        port = told.port
    except ValueError:
        told, port = urlsplit(""), None
    schemes = ("https", "http") if _may_be_ours() else ("https",)
    sound = told.hostname and told.scheme in schemes and port != 0
    plain = url.isascii() and url.isprintable() and " " not in url.strip()
    if not sound or not plain or len(url) > LONGEST:
        raise InvalidInputError(
            f"“{url[:100]}” is no address that begins with https://.",
            remedy=f"Give a whole one, of {LONGEST} characters at most.",
        )
    if told.username or told.password or told.fragment:
        raise InvalidInputError(
            "The address holds a user name, a password or a “#”.", remedy="Leave that out."
        )
    return told.geturl()


def post(url: str, *, body: bytes, headers: Mapping[str, str]) -> int:
    """Post to an address and return the number it answers with; raise where it does not.

    Raises ``InvalidInputError`` where it lies behind our walls, ``AwayError`` where nobody answers,
    or not within `MOST_SECONDS` in all: who sends a byte now and then keeps nobody waiting.
    """
    told = urlsplit(checked_address(url))
    name, secure = str(told.hostname), told.scheme == "https"
    port = told.port or (443 if secure else 80)
    path = (told.path or "/") + (f"?{told.query}" if told.query else "")
    place = _place_of(name, port)
    try:
        with socket.create_connection((place, port), SECONDS) as plain, _ended(plain):
            line = http.client.HTTPConnection(name, port)
            line.sock = _wrapped(plain, name) if secure else plain
            line.request("POST", path, body=body, headers={**headers, "Host": told.netloc})
            return int(line.getresponse().status)
    except (http.client.HTTPException, OSError, ValueError) as error:
        what = " ".join(str(error).split())[:200] or type(error).__name__
        raise AwayError(f"{told.netloc}: {what}") from error


def _wrapped(plain: socket.socket, name: str) -> ssl.SSLSocket:
    """The line under TLS, to nobody but whom the name belongs to."""
    return ssl.create_default_context().wrap_socket(plain, server_hostname=name)


@contextmanager
def _ended(line: socket.socket) -> Iterator[None]:
    """Cut the line when its time is over."""
    with line.dup() as ours:
        cut = Timer(MOST_SECONDS, _cut, (ours,))
        cut.daemon = True
        cut.start()
        try:
            yield
        finally:
            cut.cancel()


def _cut(line: socket.socket) -> None:
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)


def _place_of(name: str, port: int) -> str:
    """The address that a name leads to; raise if any that it leads to is none of the open net."""
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise AwayError(f"Nobody knows where {name} is: {error}") from error
    places = [str(one[4][0]) for one in found]
    ours = next((place for place in places if not _is_open(place)), "")
    if ours and not _may_be_ours():
        raise InvalidInputError(
            f"{name} leads to {ours}, which is not on the open net.",
            remedy="If it is meant, let the service write there: outside_may_be_inside.",
        )
    return places[0]


def _is_open(place: str) -> bool:
    """Whether an address is one of the open net.

    >>> [_is_open(one) for one in ("1.1.1.1", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1")]
    [True, False, False, False]
    >>> [_is_open(one) for one in ("2606:4700::1111", "fd00::1", "64:ff9b::7f00:1", "100.64.0.1")]
    [True, False, False, False]
    """
    address = ipaddress.ip_address(place.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        elif any(address in net for net in _MAPPED):
            return False
    return address.is_global and not address.is_multicast


def _may_be_ours() -> bool:
    return bool(settings.ENV.outside_may_be_inside)
