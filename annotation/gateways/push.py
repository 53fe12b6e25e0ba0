"""Ringing in a browser: a message that only that browser can read, by way of its own push service.

Encrypted as RFC 8291 and RFC 8188 say (ECDH on P-256, HKDF, AES-128-GCM), signed as RFC 8292 says, with
the library ``cryptography``: the push service learns when something was sent, and not what.
"""

import base64
import hashlib
import hmac
import json
import os
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from urllib.parse import urlsplit

import httpx
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings

from annotation.errors import InvalidInputError, TransientError

TIMEOUT_S = 10.0
LASTS_S = 24 * 3600
SIGNED_FOR_S = 12 * 3600
RECORD = 4096
# What one record holds beside its padding mark and its seal; browsers take no more than one.
MOST_BYTES = RECORD - 17 - 86
# Order of P-256: a key is a number below it.
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
HERE = ("127.0.0.1", "localhost")


@dataclass(frozen=True)
class Bell:
    """Where a browser listens, and the two keys that it made for us."""

    endpoint: str
    p256dh: str
    auth: str


class GoneError(InvalidInputError):
    """Nobody listens there any more."""

    code = "bell_gone"


class Ringer(Protocol):
    """What rings: raises ``GoneError`` where nobody listens any more."""

    def ring(self, bell: Bell, *, told: bytes, now: datetime) -> None:
        """Have a browser told something."""


class PushRinger:
    """Rings by way of the services that browsers name, and of no other address."""

    def ring(self, bell: Bell, *, told: bytes, now: datetime) -> None:
        """Encrypt, sign and hand over; what the service refuses for good is gone."""
        if not is_known(bell.endpoint):
            raise GoneError("This is no push service that is known here.")
        headers = {
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(LASTS_S),
            "Urgency": "normal",
            "Authorization": signed(bell.endpoint, now=now),
        }
        try:
            answer = httpx.post(
                bell.endpoint,
                content=encrypted(told, bell=bell),
                headers=headers,
                timeout=TIMEOUT_S,
                follow_redirects=False,
            )
        except httpx.HTTPError as error:
            raise TransientError(f"The push service is away: {error}") from error
        if answer.status_code in (404, 410):
            raise GoneError("The browser listens no more.")
        if answer.status_code == 429 or answer.status_code >= 500:
            raise TransientError(f"The push service says {answer.status_code}.")
        if answer.status_code >= 300:
            raise GoneError(f"The push service refused it with {answer.status_code}.")


def is_known(endpoint: str) -> bool:
    """Whether an address belongs to a push service that is named in the settings.

    Whoever subscribes names the address that we then ask: it must not lead anywhere else.
    """
    try:
        there = urlsplit(endpoint)
        host = there.hostname or ""
        port = there.port
    except ValueError:
        return False
    known = [one.strip() for one in settings.ENV.push_services.split(",") if one.strip()]
    named = any(host == one or host.endswith(f".{one}") for one in known)
    if not named or there.username or there.password:
        return False
    return (there.scheme == "https" and port in (None, 443)) or (
        there.scheme == "http" and host in HERE
    )


def checked(bell: Bell) -> Bell:
    """Return a bell that can be rung, or say why it cannot."""
    try:
        point, secret = decoded(bell.p256dh), decoded(bell.auth)
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError as error:
        raise InvalidInputError("p256dh, auth: no keys of a browser.") from error
    if len(secret) != 16 or len(bell.endpoint) > 1000 or not is_known(bell.endpoint):
        raise InvalidInputError("endpoint: no push service that is known here.")
    return bell


def encrypted(told: bytes, *, bell: Bell) -> bytes:
    """Return a message as RFC 8291 seals it for one browser: header, then one record."""
    if len(told) > MOST_BYTES:
        raise InvalidInputError("The message is too long.")
    theirs = decoded(bell.p256dh)
    ours = ec.generate_private_key(ec.SECP256R1())
    point = _point(ours)
    shared = ours.exchange(
        ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs)
    )
    secret = _derived(
        shared, salt=decoded(bell.auth), info=b"WebPush: info\0" + theirs + point, length=32
    )
    salt = os.urandom(16)
    key = _derived(secret, salt=salt, info=b"Content-Encoding: aes128gcm\0", length=16)
    nonce = _derived(secret, salt=salt, info=b"Content-Encoding: nonce\0", length=12)
    # The mark says that this record is the last.
    body = AESGCM(key).encrypt(nonce, told + b"\x02", None)
    return salt + RECORD.to_bytes(4, "big") + bytes([len(point)]) + point + body


def signed(endpoint: str, *, now: datetime) -> str:
    """Return who we are for one push service, as RFC 8292 wants it, signed for twelve hours."""
    there = urlsplit(endpoint)
    head = {"typ": "JWT", "alg": "ES256"}
    body = {
        "aud": f"{there.scheme}://{there.netloc}",
        "exp": int(now.timestamp()) + SIGNED_FOR_S,
        "sub": f"mailto:{settings.ENV.mail_from}",
    }
    text = ".".join(
        encoded(json.dumps(one, separators=(",", ":")).encode()) for one in (head, body)
    )
    r, s = decode_dss_signature(_own_key().sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    signature = encoded(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
    return f"vapid t={text}.{signature}, k={own_point()}"


def own_point() -> str:
    """Return this installation's public key, by which browsers know who may ring."""
    return encoded(_point(_own_key()))


def _own_key() -> ec.EllipticCurvePrivateKey:
    """Return the installation's key: made of its secret, so that nothing else has to be kept."""
    made = hmac.new(settings.SECRET_KEY.encode(), b"vernacular.push", hashlib.sha512).digest()
    return ec.derive_private_key(1 + int.from_bytes(made, "big") % (ORDER - 1), ec.SECP256R1())


def _point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _derived(material: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length=length, salt=salt, info=info).derive(material)


def encoded(told: bytes) -> str:
    """Return bytes as base64url without its padding."""
    return base64.urlsafe_b64encode(told).decode().rstrip("=")


def decoded(told: str) -> bytes:
    """Return what base64url without its padding says."""
    return base64.urlsafe_b64decode(told + "=" * (-len(told) % 4))
