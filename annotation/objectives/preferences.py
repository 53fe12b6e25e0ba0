"""The kind of question “which of the two is better?”: two outputs side by side, and a tie.

A sample is two outputs and, where there is one, the source that both were made from. Which of them
stands first is drawn when a row comes in (:mod:`annotation.methods.readers.sides`), and which system
wrote which is noted in the sample's ``meta`` under ``first`` and ``second``, where nobody who answers
sees it. :mod:`annotation.actions.judgements` makes strengths of the systems of it.
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

TITLE = _("which of two outputs is better")
PARTS = 3
# The source may be missing.
LEAST_PARTS = 2
# Which of the outputs stands first is drawn by lot.
SIDED = True
COLUMNS = {
    "output_a": "text",
    "output_b": "second",
    "source": "third",
    "system_a": "meta.system_a",
    "system_b": "meta.system_b",
}
FIRST, SECOND, TIE = "first", "second", "tie"
# The labels that every campaign of this kind has.
LABELS = {FIRST: _("The first"), SECOND: _("The second"), TIE: _("Neither is better")}
