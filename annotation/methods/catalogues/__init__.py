"""Catalogues: gettext PO files read for what they mean, and corrected without touching the rest.

A localisation community gets its own file back: every byte that no correction concerns is the one
that came in, whatever tool wrote it, however it wraps its lines. ``polib`` understands the same
files but writes them anew, so here it serves the tests as the judge of what a file means.
"""

from annotation.methods.catalogues.correcting import Change, Corrected, checked, correct
from annotation.methods.catalogues.parts import (
    Catalogue,
    CatalogueError,
    Entry,
    Problem,
    UnreadableCatalogueError,
)
from annotation.methods.catalogues.reading import read_catalogue

__all__ = [
    "Catalogue",
    "CatalogueError",
    "Change",
    "Corrected",
    "Entry",
    "Problem",
    "UnreadableCatalogueError",
    "checked",
    "correct",
    "read_catalogue",
]
