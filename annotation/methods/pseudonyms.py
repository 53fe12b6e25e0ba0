"""Pseudonyms: who answered, without a name, the same wherever the same secret is kept."""

import hashlib
import hmac


def pseudonym(number: int, *, secret: str) -> str:
    """Return a short name of an annotator that only the holder of the secret can make again.

    >>> pseudonym(7, secret="s") == pseudonym(7, secret="s") != pseudonym(8, secret="s")
    True
    >>> len(pseudonym(7, secret="s"))
    14
    """
    code = hmac.new(secret.encode(), f"annotator:{number}".encode(), hashlib.sha256)
    return f"p-{code.hexdigest()[:12]}"
