"""The kind of question “how do these two go together?”: two texts, one choice.

Does the one follow from the other, do they mean the same, is this a right translation of that: a
sample holds both texts (:func:`annotation.methods.texts.glued`), people see them under each other,
and an encoder reads them as the pair that it was made for.
"""

from django.utils.translation import gettext_lazy as _

from annotation.objectives.classes import (
    FORM,
    ORDERED,
    PLAIN,
    READS_TEXT,
    desk_config,
    keys_in,
    name_of,
    parse,
    result_of,
    told,
)

__all__ = [
    "FORM",
    "ORDERED",
    "PARTS",
    "PLAIN",
    "READS_TEXT",
    "TITLE",
    "desk_config",
    "keys_in",
    "name_of",
    "parse",
    "result_of",
    "told",
]

TITLE = _("two texts, one of several classes")
PARTS = 2
