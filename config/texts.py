"""The texts of the pages as they stand in sources, and whether catalogues fit them."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import polib
from django.template import engines
from django.template.base import Node, Template
from django.templatetags.i18n import BlockTranslateNode, TranslateNode

from config.env import ROOT
from config.interfaces import SEEN, is_translated

CALLS = {
    "_": 1,
    "gettext": 1,
    "gettext_lazy": 1,
    "gettext_noop": 1,
    "ngettext": 2,
    "ngettext_lazy": 2,
    # gettext where "_" only marks what is told later.
    "say": 1,
}
# What people see who are no admins; their texts come first in every catalogue.
SEEN_BY_ALL = re.compile(
    r"annotation/(templates/(403|404|annotation/(_curve|_dots|_feedback|_field|_interface|_labels_|_me|_nav|_pages|_spark|_standing|_trail"
    r"|about_me|base|calibrate|calibration_language|concern|consent|credits|desk_closed|go\.|group\.|group_answer"
    r"|guideline\.|interface|invitation\.|language_desk|letter|light|link_closed|me\.|report\.|report_|reports_"
    r"|sign_in))"
    r"|models/(annotations|consents|groups|report|sessions|drifting)|objectives/(preferences|ratings|spans)|permissions"
    r"|actions/(addresses|consents|credit|disputes|entry|groups|hours|invitations|letters|light|objections"
    r"|reports|sessions|welcome)"
    r"|views/(coordination|credit|desk|groups|interface|letters|light|links|reports|sessions|triage|unsaved|welcome)"
    r"|templatetags/(interface|words))"
    r"|learning/(templates/learning/tr(ial|y)\.|views/trials|actions/trying)"
    r"|training/(templates/training/(_cases_kept|_enough|_history|_me|_places|_skyline|cases_language|language_page|me\.|letter"
    r"|my_|parity|public_card|report_|take_back)"
    r"|models/case_versions|views/(case_pages|language_page|letters|me|mine|parity|public_card|report_fixes)|actions/(cards|case_versions|language_story|letters|taking_back|thanks)|templatetags/places)"
)
PLACEHOLDER = re.compile(r"%(?:\(\w+\))?(?:\.\d+)?[sdf]|%%|\{\w*\}")
HTML_TAG = re.compile(r"</?\w+")


class Place(NamedTuple):
    """Where a text stands; names of a model's columns and their help are for admins alone."""

    path: str
    line: int
    singular: str
    plural: str = ""
    shown: bool = True
    context: str = ""


@dataclass
class Text:
    """One text to translate, with its plural and the places where it stands."""

    singular: str
    plural: str = ""
    places: list[tuple[str, int]] = field(default_factory=list)
    is_seen: bool = False
    context: str = ""

    @property
    def key(self) -> str:
        """What it is found by, as gettext does: the same word in another context is another."""
        return _key(self.context, self.singular)


def key_of(entry: Any) -> str:
    """What a catalogue's entry is found by."""
    return _key(entry.msgctxt or "", entry.msgid)


def _key(context: str, singular: str) -> str:
    return f"{context}\4{singular}" if context else singular


def find_texts(app: str) -> dict[str, Text]:
    """Every text of an app's pages, models, forms and refusals that gettext may translate."""
    found: dict[str, Text] = {}
    for one in _walk(app):
        text = Text(one.singular, context=one.context)
        text = found.setdefault(text.key, text)
        text.plural = text.plural or one.plural
        text.places.append((one.path, one.line))
        text.is_seen = text.is_seen or (one.shown and bool(SEEN_BY_ALL.match(one.path)))
    return found


def update(catalogue: Any, texts: dict[str, Text], *, everything: bool) -> tuple[int, int]:
    """Add what is new and drop what is gone; return how many of each. Nothing said is lost.

    A text that changed is a new one: a guess at what it resembles would say the old thing.
    """
    # What was gone for a while and is back says what it said.
    held = {
        key_of(entry): entry
        for entry in sorted(catalogue, key=lambda one: not one.obsolete)
        if _fits(entry, texts)
    }
    forms = plural_forms(catalogue)
    wanted = [one for one in texts.values() if everything or one.is_seen or one.key in held]
    entries = [held.get(one.key) or _entry(one, forms) for one in sorted(wanted, key=_order)]
    for entry in entries:
        text, entry.obsolete = texts[key_of(entry)], False
        entry.occurrences = [(path, "") for path in sorted({path for path, _ in text.places})]
        entry.comment = SEEN if text.is_seen else ""
    gone = [entry for entry in held.values() if key_of(entry) not in texts]
    kept = [entry for entry in gone if is_translated(entry)]
    for entry in kept:
        entry.obsolete, entry.occurrences = True, []
    old = [entry for entry in catalogue if not _fits(entry, texts) and is_translated(entry)]
    for entry in old:
        entry.obsolete = True
    catalogue[:] = [*entries, *{key_of(entry): entry for entry in (*old, *kept)}.values()]
    catalogue.metadata["X-Texts"] = str(len(texts))
    return sum(one.key not in held for one in wanted), len(gone)


def _fits(entry: Any, texts: dict[str, Text]) -> bool:
    """What has a plural since, or none any more, would be found by nobody."""
    text = texts.get(key_of(entry))
    return entry.msgid_plural == text.plural if text else not entry.obsolete


def faults(catalogue: Any) -> Iterator[str]:
    """What would break a page or mislead: placeholders, tags, plural forms that do not fit."""
    forms = plural_forms(catalogue)
    for entry in catalogue:
        if entry.obsolete or not (entry.msgstr or any(entry.msgstr_plural.values())):
            continue
        if entry.msgid_plural and sorted(entry.msgstr_plural) != list(range(forms)):
            yield f"“{entry.msgid}” has not {forms} plural forms."
        if not is_translated(entry):
            yield f"“{entry.msgid}” lacks some of its plural forms."
        for said in entry.msgstr_plural.values() if entry.msgid_plural else (entry.msgstr,):
            yield from _misfits(entry, said)


def plural_forms(catalogue: Any) -> int:
    """How many plural forms a language has, as the header says."""
    told = re.search(r"nplurals\s*=\s*(\d)", catalogue.metadata.get("Plural-Forms", ""))
    return int(told[1]) if told else 2


def _misfits(entry: Any, said: str) -> Iterator[str]:
    ways = [entry.msgid, entry.msgid_plural] if entry.msgid_plural else [entry.msgid]
    if not any(_marks(PLACEHOLDER, said) == _marks(PLACEHOLDER, one) for one in ways):
        # One and two are words in some languages: a plural form may leave the number out.
        least = _marks(PLACEHOLDER, entry.msgid) - Counter(["%(n)s", "%(n)d", "%(counter)s"])
        if not (
            entry.msgid_plural
            and least <= _marks(PLACEHOLDER, said) <= _marks(PLACEHOLDER, ways[-1])
        ):
            yield f"“{entry.msgid}”: the placeholders of “{said}” are others."
    if not any(_marks(HTML_TAG, said) == _marks(HTML_TAG, one) for one in ways):
        yield f"“{entry.msgid}”: the HTML tags of “{said}” are others."
    if "{%" in said or "{{" in said:
        yield f"“{entry.msgid}”: “{said}” would be code."


def _marks(pattern: re.Pattern[str], text: str) -> Counter[str]:
    return Counter(pattern.findall(text))


def _order(text: Text) -> tuple[bool, str, int]:
    path, line = text.places[0]
    return not text.is_seen, path, line


def _entry(text: Text, forms: int) -> Any:
    context = text.context or None
    if not text.plural:
        return polib.POEntry(msgid=text.singular, msgstr="", msgctxt=context)
    return polib.POEntry(
        msgid=text.singular,
        msgctxt=context,
        msgid_plural=text.plural,
        msgstr_plural=dict.fromkeys(range(forms), ""),
    )


def _walk(app: str) -> Iterator[Place]:
    folder = ROOT / app
    for path in sorted(folder.glob("templates/**/*")):
        if path.suffix in (".html", ".txt"):
            yield from _in_template(path)
    for path in sorted(folder.rglob("*.py")):
        if "migrations" not in path.parts and "management" not in path.parts:
            yield from _in_python(path)


def _in_template(path: Path) -> Iterator[Place]:
    engine = engines["django"].engine  # type: ignore[attr-defined]
    template = Template(path.read_text(encoding="utf-8"), engine=engine)
    name = str(path.relative_to(ROOT))
    for node in template.nodelist.get_nodes_by_type(Node):
        line = (node.token.lineno or 0) if node.token else 0
        if isinstance(node, TranslateNode):
            literal = getattr(node.filter_expression.var, "literal", None)
            if isinstance(literal, str):
                # So does Django ask for it.
                yield Place(name, line, literal.replace("%", "%%"), context=_context(node))
        elif isinstance(node, BlockTranslateNode):
            singular = node.render_token_list(node.singular)[0]
            plural = node.render_token_list(node.plural)[0] if node.plural else ""
            said = _trimmed(node, singular), _trimmed(node, plural)
            yield Place(name, line, *said, context=_context(node))


def _context(node: Any) -> str:
    given = node.message_context
    return str(given.var.literal if hasattr(given.var, "literal") else given.var) if given else ""


def _trimmed(node: Any, text: str) -> str:
    return " ".join(line.strip() for line in text.strip().splitlines()) if node.trimmed else text


def _in_python(path: Path) -> Iterator[Place]:
    name = str(path.relative_to(ROOT))
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    pairs = [one.value for one in nodes if isinstance(one, ast.Assign)]
    choices = {id(part) for pair in pairs if isinstance(pair, ast.Tuple) for part in pair.elts}
    for node in nodes:
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        bare = node.func.id.replace("pgettext", "gettext")
        wanted, first = CALLS.get(bare, 0), int(bare != node.func.id)
        given = node.args[: first + wanted]
        told = [str(one.value) for one in given if isinstance(one, ast.Constant)]
        if wanted and len(told) == first + wanted:
            shown = "/models/" not in name or id(node) in choices
            singular, *plural = told[first:]
            context = told[0] if first else ""
            yield Place(name, node.lineno, singular, "".join(plural), shown, context)
