"""The switch between languages at the foot of every page, and what a language brings along."""

from typing import Any

from django import template
from django.conf import settings
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from annotation.actions.interfaces import share_translated
from annotation.models import Language

register = template.Library()


@register.inclusion_tag("annotation/_interface.html", takes_context=True)
def interface_switch(context: dict[str, Any]) -> dict[str, Any]:
    """Buttons for every language of the pages, and a word on drafts; no scripts needed."""
    request = context.get("request")
    tag = get_language() or settings.LANGUAGE_CODE
    here = settings.INTERFACES.get(tag)
    return {
        "interfaces": settings.INTERFACES.values(),
        "here": here,
        "share": share_translated(tag) if here and here.draft else None,
        "next": request.get_full_path() if request else "",
        "csrf_token": context.get("csrf_token"),
    }


@register.simple_tag
def letters(language: Language) -> SafeString:
    """Attributes of a text field that gets a bar of the language's special characters."""
    return format_html(
        'data-characters="{}" data-characters-lang="{}" data-characters-label="{}"'
        ' data-characters-upper="{}"',
        " ".join(language.letters),
        language.lang,
        _("Special characters"),
        _("Capital letters"),
    )
