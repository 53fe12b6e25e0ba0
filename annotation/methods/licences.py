"""Licences: which ones let a text be passed on unchanged, to anybody, for anything.

No advice by a lawyer: a list of identifiers (SPDX) that say so, and what is not on it does not.
"""

import re
from collections.abc import Collection

# By their beginnings, so that versions and "-or-later" need no list of their own.
OPEN = (
    *("CC0-", "CC-PDDC", "CC-PDM-", "PDDL-", "ODC-By-", "ODbL-", "CDLA-", "OGL-", "etalab-"),
    *("CC-BY-SA-", "CC-BY-", "MIT", "ISC", "Apache-", "BSD-", "Unlicense", "Zlib", "MPL-"),
    *("GPL-", "LGPL-", "AGPL-", "EUPL-", "GFDL-", "OFL-", "Artistic-", "PSF-", "Python-"),
)
# Not for anything, or not to be changed: whoever wants these says so.
NARROW = re.compile(r"-(NC|ND)\b")


def lets_pass_on(licence: str, *, also: Collection[str] = ()) -> bool:
    """Whether a text under that licence may be passed on; ``also`` are others that do.

    Of "one OR another" one is enough, of "one AND another" both are needed; what puts both into
    one another by brackets is not read, and has to be named.

    >>> lets_pass_on("CC-BY-SA-4.0"), lets_pass_on("GPL-2.0-or-later OR Proprietary")
    (True, True)
    >>> lets_pass_on("MIT AND Proprietary"), lets_pass_on(""), lets_pass_on("CC-BY-NC-4.0")
    (False, False, False)
    >>> lets_pass_on("(MIT OR X) AND Secret"), lets_pass_on("MIT WITH Commons-Clause")
    (False, False)
    >>> lets_pass_on("Mother's letters", also=["mother's letters"])
    True
    """
    allowed = {one.casefold().strip() for one in also}
    if licence.casefold().strip() in allowed:
        return True
    if "(" in licence and " OR " in licence and " AND " in licence:
        return False
    plain = licence.replace("(", " ").replace(")", " ")
    return any(
        all(_is_open(one, also=allowed) for one in re.split(r"\s+AND\s+", way))
        for way in re.split(r"\s+OR\s+", plain)
    )


def _is_open(licence: str, *, also: Collection[str]) -> bool:
    name, _with, more = (part.strip() for part in licence.partition(" WITH "))
    if more and not more.casefold().endswith("-exception"):
        return licence.casefold().strip() in also  # such as a clause against selling
    if name.casefold() in also:
        return True
    # "MIT" and "MIT-0", and no "Mitigated".
    known = any(f"{name}-".casefold().startswith(f"{one.rstrip('-')}-".casefold()) for one in OPEN)
    return known and not NARROW.search(name.upper())
