"""Language tags as browsers want them: with the script that the text is written in."""

SCRIPT_LENGTH = 4
EXTENDED = 3


def with_script(tag: str, *, script: str) -> str:
    """A BCP 47 tag that names its script, so that a browser picks the right font.

    >>> with_script("bug", script="Bugi"), with_script("pt-BR", script="Latn")
    ('bug-Bugi', 'pt-Latn-BR')
    >>> with_script("ace-Arab", script="Latn"), with_script("wo", script="")
    ('ace-Arab', 'wo')
    >>> with_script("zh-yue", script="Hant"), with_script("x-own", script="Latn")
    ('zh-yue-Hant', 'x-own')
    """
    parts = tag.split("-")
    private = next((at for at, part in enumerate(parts) if len(part) == 1), len(parts))
    named = any(len(part) == SCRIPT_LENGTH and part.isalpha() for part in parts[1:private])
    if not script or named or private == 0:
        return tag
    at = 1
    while at < private and len(parts[at]) == EXTENDED and parts[at].isalpha():
        at += 1
    return "-".join([*parts[:at], script, *parts[at:]])
