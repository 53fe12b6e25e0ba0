"""Placeholders: what a program fills in, which a translation must hold as its source does.

The rules are those of gettext's ``msgfmt --check-format``: who fills in by name or number may be
told in any order and twice, who fills in by order may not; a plural form that stands for a number
or two only may leave the number out.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass

_PYTHON = re.compile(
    r"%(?:\((?P<name>[^)]*)\))?(?P<flags>[-#0 +]*)(?P<width>\*|\d+)?(?:\.(?P<precision>\*|\d+)?)?"
    r"[hlL]?(?P<kind>[diouxXeEfFgGcrsab%])?",
    re.DOTALL,
)
_C = re.compile(
    r"%(?:(?P<number>[1-9]\d*)\$)?(?P<flags>[-#0 +'I]*)(?P<width>\*(?:[1-9]\d*\$)?|\d+)?"
    r"(?:\.(?P<precision>\*(?:[1-9]\d*\$)?|\d+)?)?"
    r"(?:(?P<macro><PRI[A-Za-z0-9]+>)|(?P<size>hh|h|ll|l|j|z|t|L|q)?(?P<kind>[diouxXeEfFgGaAcsCSpnm%])?)",
    re.DOTALL,
)
_BRACE = re.compile(
    r"\{\{|\}\}|\{(?P<name>[^{}\[.!:]*)(?P<part>(?:\.\w+|\[[^\]{}]*\])*)"
    r"(?P<turned>![rsa])?(?P<spec>:(?:[^{}]|\{\w*\})*)?\}|[{}]"
)
_KINDS = dict.fromkeys("di", "integer") | dict.fromkeys("ouxX", "number without sign")
_KINDS |= dict.fromkeys("eEfFgGaA", "decimal number") | {"c": "character", "C": "character"}
_PYTHON_KINDS = dict.fromkeys("diouxX", "integer") | dict.fromkeys("eEfFgG", "decimal number")
_PYTHON_KINDS |= {"r": "text", "s": "text", "a": "text", "b": "text", "c": "character"}
# How a kind is called where it has no name: %x and %i are %d shown in another way.
_PLAIN = {"integer": "%d", "decimal number": "%f", "text": "%s", "character": "%c"}


@dataclass(frozen=True)
class Slots:
    """What a text asks to be filled in: by name or number with its kind, and by order."""

    named: dict[str, str]
    ordered: tuple[str, ...] = ()

    @property
    def names(self) -> Counter[str]:
        """What is told of a slot that is missing or too many."""
        return Counter(list(self.named)) + Counter(self.ordered)


class NoFormatError(ValueError):
    """The text is none of the format: the program that fills it in would fail."""


def python_slots(text: str) -> Slots:
    """Return what Python's ``%`` fills in.

    >>> python_slots("%(count)d of %(all)s, 5 %%").named
    {'%(count)': 'integer', '%(all)': 'text'}
    >>> python_slots("%s: %d").ordered
    ('%s', '%d')
    """
    named: dict[str, str] = {}
    ordered: list[str] = []
    for found in _PYTHON.finditer(text):
        kind = found["kind"]
        if kind is None:
            raise NoFormatError(f"{found[0][:40]!r} is no placeholder; write %% for a percent sign")
        if kind == "%":
            continue
        if found["name"] is not None:
            _note(named, f"%({found['name']})", _PYTHON_KINDS[kind])
            continue
        ordered += ["%d" for star in ("width", "precision") if found[star] == "*"]
        ordered.append(_PLAIN[_PYTHON_KINDS[kind]])
    _of_one_manner(named, ordered)
    return Slots(named, tuple(ordered))


def brace_slots(text: str) -> Slots:
    """Return what Python's ``str.format`` fills in; how it is shown may differ.

    >>> brace_slots("{count:,} of {all}, {{}}").named
    {'{count}': '', '{all}': ''}
    >>> brace_slots("{} {}").ordered
    ('{}', '{}')
    """
    named: dict[str, str] = {}
    ordered: list[str] = []
    for found in _BRACE.finditer(text):
        if found[0] in ("{{", "}}"):
            continue
        if found["name"] is None:
            raise NoFormatError(f"{found[0]!r} is no placeholder; write {{{{ or }}}} for a brace")
        slot = "{" + found["name"].strip() + (found["part"] or "") + "}"
        if found["name"].strip():
            named[slot] = ""
        else:
            ordered.append(slot)
        for inner in re.findall(r"\{(\w*)\}", found["spec"] or ""):
            named["{" + inner + "}"] = ""
    return Slots(named, tuple(ordered))


def c_slots(text: str) -> Slots:
    """Return what C's ``printf`` fills in; with ``%2$s`` a translation may change the order.

    >>> c_slots("%s: %ld") == c_slots("%2$ld, %1$s")
    True
    """
    named: dict[str, str] = {}
    place, numbered = 0, False
    for found in _C.finditer(text):
        kind = found["kind"] or found["macro"]
        if kind is None:
            raise NoFormatError(f"{found[0][:40]!r} is no placeholder; write %% for a percent sign")
        if kind in "%m":
            continue
        for star in (found["width"], found["precision"]):
            if star and star.startswith("*"):
                place += star == "*"
                _note(named, f"%{star.strip('*$') or place}$", "integer")
        place += found["number"] is None
        what = kind if found["macro"] else f"{found['size'] or ''} {_KINDS.get(kind, kind)}".strip()
        _note(named, f"%{found['number'] or place}$", what)
        numbered = numbered or found["number"] is not None
    _of_one_manner(named if numbered else {}, range(place))
    return Slots(named)


def _of_one_manner(named: dict[str, str], ordered: Collection[object]) -> None:
    if named and ordered:
        raise NoFormatError("some placeholders have a name or a number, and some have none")


def _note(named: dict[str, str], slot: str, kind: str) -> None:
    if named.setdefault(slot, kind) != kind:
        raise NoFormatError(f"{slot} is filled in once as {named[slot]}, once as {kind}")


FORMATS: dict[str, Callable[[str], Slots]] = {
    "python-format": python_slots,
    "python-brace-format": brace_slots,
    "c-format": c_slots,
}


def misfit(source: str, text: str, *, format: str, may_lack: int = 0) -> str:
    """Return how the placeholders of a text differ from its source's, or nothing.

    >>> misfit("%(name)s has %(count)d texts", "%(name) ma %(count)d", format="python-format")
    "'%(name) ' is no placeholder; write %% for a percent sign"
    >>> misfit("%(name)s has %(count)d texts", "%(count)d", format="python-format")
    '%(name) is missing'
    >>> misfit("%d files", "one file", format="c-format", may_lack=1)
    ''
    """
    slots_of = FORMATS[format]
    try:
        wanted = slots_of(source)
    except NoFormatError:
        return ""  # the flag is a mistake, or a guess of the tool that made the template
    try:
        found = slots_of(text)
    except NoFormatError as error:
        return str(error)
    missing, added = wanted.names - found.names, found.names - wanted.names
    if added:
        return f"{', '.join(added)} is not in the source"
    if missing.total() > may_lack:
        return f"{', '.join(missing)} is missing"
    for slot, kind in found.named.items():
        if wanted.named[slot] != kind:
            return f"{slot} is {kind}, in the source {wanted.named[slot]}"
    if not missing and wanted.ordered != found.ordered:
        return f"{' '.join(found.ordered)} is in another order than {' '.join(wanted.ordered)}"
    return ""
