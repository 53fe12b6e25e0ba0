"""Every table of a page as a file: the same address with ``?csv=`` and the table's name.

Whoever may see a page may take its tables, with the page's own filters; there is no second door to
keep shut and no second list of columns to keep up. Tables that programs read, or that run over many
pages of a list, have addresses and columns of their own.
"""

from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from typing import TypeGuard

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from annotation.templatetags.words import CSV
from annotation.views.spreadsheets import spreadsheet

# What one does with a row is no part of what it says.
UNSAID = {"button", "form", "label", "progress", "script", "select", "svg"}
BREAKS = {"br", "dd", "div", "dt", "li", "p", "span", "time"}


class PageTables:
    """Middleware: answer with one table of a page where that is asked for."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Let the page be made as ever, then take the table out of it."""
        wanted = request.GET.get(CSV, "")
        if wanted:
            # A page that is compressed already could not be read here.
            request.META.pop("HTTP_ACCEPT_ENCODING", None)
        response = self.get_response(request)
        if not wanted or request.method != "GET" or not _is_page(response):
            return response
        rows = table_of(response.content.decode(), name=wanted)
        if not rows:
            return response
        match = request.resolver_match
        page = "-".join(str(part) for part in match.kwargs.values()) if match else ""
        file = spreadsheet(f"{page}-{wanted}".lstrip("-"), head=rows[0], rows=rows[1:])
        file.headers["Cache-Control"] = "private, no-store"
        return file


def _is_page(response: HttpResponseBase) -> TypeGuard[HttpResponse]:
    kind = response.headers.get("Content-Type", "")
    page = isinstance(response, HttpResponse) and response.status_code == 200
    return page and kind.startswith("text/html")


def table_of(page: str, *, name: str) -> list[list[str]]:
    """Return the lines of the table with that name: what its cells say, and no more.

    >>> page = "<table id='a'><tr><th>Language<th>Asked <tr><td><b>Wo</b>lof<td> 12 <button>x</button>"
    >>> table_of(f"{page}</table>", name="a"), table_of(page, name="b")
    ([['Language', 'Asked'], ['Wolof', '12']], [])
    """
    reader = _Reader(name)
    reader.feed(page)
    return reader.rows


def _filled_in(field: Mapping[str, str]) -> str:
    """What stands in a field of a form; a tick is 1, and its lack 0."""
    if field.get("type") == "checkbox":
        return str(int("checked" in field))
    return "" if field.get("type") == "hidden" else field.get("value", "")


class _Reader(HTMLParser):
    """Reads one table: a cell that spans several columns is followed by empty ones."""

    def __init__(self, name: str) -> None:
        super().__init__(convert_charrefs=True)
        self.name, self.rows, self.cell = name, list[list[str]](), list[str]()
        self.inside = self.in_cell = self.told = False
        self.unsaid, self.span = 0, 1

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open what this tag opens, and take what it says by an attribute alone."""
        known = {name: value or "" for name, value in attrs}
        if tag == "table":
            self.inside = known.get("id") == self.name
        if not self.inside:
            return
        if tag in UNSAID:
            self.unsaid += 1
        elif tag in ("tr", "td", "th"):
            self._close(known.get("colspan", "1"))
            self.in_cell = tag != "tr"
            self.rows.extend([[]] if tag == "tr" else [])
        elif tag == "input":
            self.handle_data(_filled_in(known))
        elif tag == "time" and "datetime" in known:
            self.handle_data(f" {known['datetime']} ")
            self.told = True
        elif tag in BREAKS:
            self.handle_data(" ")

    def handle_endtag(self, tag: str) -> None:
        """Close what this tag closes."""
        self.told = self.told and tag != "time"
        if tag in UNSAID and self.unsaid:
            self.unsaid -= 1
        elif tag in ("table", "td", "th", "tr", "caption"):
            self._close()
            self.inside = self.inside and tag != "table"
        elif tag in BREAKS:
            self.handle_data(" ")

    def handle_data(self, data: str) -> None:
        """Take what a cell says; a moment is told by its exact time."""
        if self.in_cell and not (self.unsaid or self.told):
            self.cell.append(data)

    def _close(self, span: str = "1") -> None:
        if self.in_cell and self.rows:
            self.rows[-1].append(" ".join("".join(self.cell).split()))
            self.rows[-1].extend([""] * (self.span - 1))
        self.cell, self.in_cell = [], False
        self.span = int(span) if span.isdecimal() else 1
