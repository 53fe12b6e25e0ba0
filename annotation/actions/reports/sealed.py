"""What is sealed with a key of this installation: addresses, and texts with private data."""

import base64
import hashlib
import hmac
from datetime import timedelta

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

PURPOSE = b"vernacular.reports.sealed:"
# What of a report is sealed where it holds private data, and for how long.
TEXTS = ("input_text", "output_text", "expected_text", "description")
ORIGINAL_KEPT = timedelta(days=90)
# No digest of a text begins with it.
KEYED = "k"


def seal(text: str) -> str:
    """Return a text as nobody reads it without the installation's secret key."""
    return _box().encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """Return a sealed text; nothing where it was sealed with another key."""
    try:
        return _box().decrypt(sealed.encode()).decode()
    except InvalidToken:
        return ""


def follow_token(uid: str) -> str:
    """Return the secret of a report's follow link: whoever has it may do what its maker may."""
    made = hmac.new(
        settings.SECRET_KEY.encode(), f"vernacular.report:{uid}".encode(), hashlib.sha256
    )
    return base64.urlsafe_b64encode(made.digest()).decode().rstrip("=")


def digest_of(token: str) -> str:
    """Return what is kept of a follow link."""
    return hashlib.sha256(token.encode()).hexdigest()


def keyed(digest: str) -> str:
    """Return a digest of a text as nobody makes it of a guessed text without the secret key."""
    if not digest or digest.startswith(KEYED):
        return digest
    told = f"vernacular.report.text:{digest}".encode()
    return KEYED + hmac.new(settings.SECRET_KEY.encode(), told, hashlib.sha256).hexdigest()[:63]


def _box() -> Fernet:
    key = hashlib.sha256(PURPOSE + settings.SECRET_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))
