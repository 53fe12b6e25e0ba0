"""Languages: a row for a tag, with suggestions where the caller says nothing."""

from typing import Any

from django.db import IntegrityError, transaction

from annotation.errors import InvalidInputError
from annotation.methods.scripts import direction_of
from annotation.models import Direction, Language

_EXAMPLES = "Write a BCP 47 tag such as wo, qu, zh-Hant or ff-Adlm."
_LONGEST_TAG = 35


@transaction.atomic
def ensure_language(
    tag: str, *, name: str = "", autonym: str = "", script: str = "", direction: str = ""
) -> Language:
    """Return the language of a tag, made if it is new; what the caller gives always wins.

    The tag is kept as its community writes it. A tag that no registry knows is taken if the
    caller also gives its name and script, since then nothing has to be guessed.
    """
    tag = tag.strip().replace("_", "-")
    given = {"name": name, "autonym": autonym, "script": script.title(), "direction": direction}
    given = {field: value.strip() for field, value in given.items() if value.strip()}
    _check(given)
    language = Language.objects.filter(tag__iexact=tag).first() if tag else None
    if language is None:
        return _create(tag, given)
    changed = {field: value for field, value in given.items() if getattr(language, field) != value}
    for field, value in changed.items():
        setattr(language, field, value)
    if changed:
        language.save(update_fields=list(changed))
    return language


def describe_language(tag: str) -> Language:
    """Return the language of a tag as it is, or as it would be made; nothing is saved."""
    tag = tag.strip().replace("_", "-")
    known = Language.objects.filter(tag__iexact=tag).first()
    return known or _drafted(tag, {})


def _drafted(tag: str, given: dict[str, str]) -> Language:
    suggested = _suggest(tag, known=bool(given.get("name") and given.get("script")))
    details = suggested | given
    details.setdefault("direction", direction_of(details["script"]))
    return Language(tag=tag, **details)


def _create(tag: str, given: dict[str, str]) -> Language:
    drafted = _drafted(tag, given)
    try:
        with transaction.atomic():
            drafted.save()
            return drafted
    except IntegrityError:
        # Somebody else was quicker with the same tag.
        return Language.objects.get(tag__iexact=tag)


def _suggest(tag: str, *, known: bool) -> dict[str, str]:
    from langcodes import Language as Tag
    from langcodes import tag_is_valid
    from langcodes.tag_parser import LanguageTagError

    try:
        # Normalising would rewrite what communities call themselves: tl to fil, sh to sr-Latn.
        parsed = Tag.get(tag, normalize=False)
    except LanguageTagError as error:
        raise InvalidInputError(f"{tag!r} is not a language tag.", remedy=_EXAMPLES) from error
    if len(tag) > _LONGEST_TAG:
        raise InvalidInputError(f"The tag {tag[:40]!r} is too long.", remedy=_EXAMPLES)
    if not tag_is_valid(tag):
        if known:
            return {}
        raise InvalidInputError(
            f"No registry knows the language tag {tag!r}.",
            remedy=f"{_EXAMPLES} If it is meant so, give its name and script (ISO 15924) too.",
        )
    english = parsed.display_name("en")
    unknown = english.startswith("Unknown language")
    autonym = "" if unknown else parsed.autonym()
    # For most languages without data the "own name" is the English one over again.
    autonym = "" if autonym == english and parsed.language != "en" and "(" in english else autonym
    return {
        "name": (tag if unknown else english)[:120],
        "autonym": autonym[:120],
        "script": parsed.script or parsed.maximize().script or "Latn",
    }


def _check(given: dict[str, Any]) -> None:
    script, direction = given.get("script", ""), given.get("direction", "")
    if script and not (len(script) == 4 and script.isascii() and script.isalpha()):
        raise InvalidInputError(
            f"{script!r} is not a script.", remedy="Write four letters of ISO 15924: Latn, Arab."
        )
    if direction and direction not in Direction.values:
        raise InvalidInputError(f"{direction!r} is not a direction.", remedy="Write ltr or rtl.")
    for field in ("name", "autonym"):
        if len(given.get(field, "")) > 120:
            raise InvalidInputError(f"The {field} of a language has at most 120 characters.")
