"""A client of the JSON API: one file, standard library only; copy it to where it is needed.

::

    vernacular = Client("https://awa.example", key="vernacular_…")
    with open("reviews.csv", "rb") as file:
        job = vernacular.import_file("mood", file, filename="reviews.csv")
    job = vernacular.wait_for_import("mood", job["number"])
    for answer in vernacular.answers("mood", language="wo"):
        print(answer["item"], answer["label"])
    print(vernacular.predict("mood", "Jërëjëf!", language="wo")["answer"]["label"])
"""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, TypedDict, cast

TRIES = 5
PATIENT = (429, 502, 503, 504)
OVER = ("done", "refused", "failed")
PAGE = 500


class Import(TypedDict):
    """A file on its way in."""

    number: int
    filename: str
    status: str
    rows_read: int
    rows_kept: int
    rows_refused: int
    error: str


class Prediction(TypedDict):
    """What the serving version says of a text."""

    id: str
    state: str
    language: str
    answer: dict[str, Any]
    error: str


class RefusedError(Exception):
    """The service understood and said no: ``status``, ``code``, and what can be done."""

    def __init__(self, status: int, told: Mapping[str, Any]) -> None:
        self.status = status
        self.code = str(told.get("title", ""))
        self.told = dict(told)
        super().__init__(f"{status} {told.get('detail', '')} {told.get('remedy', '')}".strip())


@dataclass(frozen=True)
class Client:
    """One key at one service. What does not answer is asked again, a little later each time."""

    url: str
    key: str = field(repr=False)
    timeout: float = 60.0
    pause: float = 0.5

    def campaigns(self) -> Iterator[dict[str, Any]]:
        """Campaigns that the key may see."""
        return self._pages("campaigns")

    def campaign(self, slug: str) -> dict[str, Any]:
        """One campaign."""
        return self._json("GET", f"campaigns/{slug}")

    def languages(self, slug: str) -> Iterator[dict[str, Any]]:
        """The languages that take part."""
        return self._pages(f"campaigns/{slug}/languages")

    def items(self, slug: str, *, language: str = "") -> Iterator[dict[str, Any]]:
        """Texts that were asked, with what people agreed on."""
        return self._pages(f"campaigns/{slug}/items", language=language)

    def answers(self, slug: str, *, language: str = "") -> Iterator[dict[str, Any]]:
        """What each person said."""
        return self._pages(f"campaigns/{slug}/answers", language=language)

    def versions(self, slug: str) -> Iterator[dict[str, Any]]:
        """The campaign's versions."""
        return self._pages(f"campaigns/{slug}/versions")

    def evaluations(self, slug: str, number: int) -> Iterator[dict[str, Any]]:
        """What gold says of a version."""
        return self._pages(f"campaigns/{slug}/versions/{number}/evaluations")

    def gates(self, slug: str) -> Iterator[dict[str, Any]]:
        """What the campaign's gates said."""
        return self._pages(f"campaigns/{slug}/gates")

    def import_file(
        self,
        slug: str,
        file: IO[bytes],
        *,
        filename: str,
        default: Mapping[str, str] | None = None,
        column: Mapping[str, str] | None = None,
        **options: str,
    ) -> Import:
        """Bring a file of samples in; if the line breaks, it is sent again and comes in once."""
        asked: list[tuple[str, str]] = [("filename", filename), *options.items()]
        for name, pairs in (("default", default), ("column", column)):
            asked += [(name, f"{key}={value}") for key, value in (pairs or {}).items()]
        told = self._json(
            "POST",
            f"campaigns/{slug}/imports?{urllib.parse.urlencode(asked)}",
            body=file.read(),
            headers={
                "Content-Type": "application/octet-stream",
                "Idempotency-Key": uuid.uuid4().hex,
            },
        )
        return cast("Import", told)

    def wait_for_import(self, slug: str, number: int, *, seconds: float = 3600) -> Import:
        """How an import ended."""
        until = time.monotonic() + seconds
        while True:
            told = cast("Import", self._json("GET", f"campaigns/{slug}/imports/{number}"))
            if told["status"] in OVER:
                return told
            if time.monotonic() > until:
                raise TimeoutError(f"Import {number} is still {told['status']}.")
            time.sleep(self.pause)

    def refused_rows(self, slug: str, number: int) -> Iterator[dict[str, Any]]:
        """Rows of an import that were not taken, and why."""
        return self._pages(f"campaigns/{slug}/imports/{number}/refused")

    def predict(self, slug: str, text: str, *, language: str, seconds: float = 60) -> Prediction:
        """What the serving version says of a text; waits until a worker has answered."""
        body = json.dumps({"text": text, "language": language}).encode()
        until = time.monotonic() + seconds
        told = self._json("POST", f"campaigns/{slug}/predictions", body=body)
        while told["state"] == "waiting":
            if time.monotonic() > until:
                raise TimeoutError("No worker has answered yet.")
            time.sleep(self.pause)
            told = self._json("GET", f"campaigns/{slug}/predictions/{told['id']}")
        return cast("Prediction", told)

    def _pages(self, path: str, **asked: str) -> Iterator[dict[str, Any]]:
        after: str | None = ""
        while after is not None:
            query = urllib.parse.urlencode({**asked, "limit": PAGE, "after": after})
            told = self._json("GET", f"{path}?{query}")
            rows: Sequence[dict[str, Any]] = told["items"]
            yield from rows
            after = told["next"]

    def _json(
        self, method: str, path: str, *, body: bytes | None = None, headers: Any = None
    ) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - the address that the caller gave
            f"{self.url.rstrip('/')}/api/v1/{path}", data=body, method=method
        )
        given = {"Content-Type": "application/json"} if body is not None else {}
        for name, value in {
            **given,
            "Authorization": f"Bearer {self.key}",
            **(headers or {}),
        }.items():
            request.add_header(name, value)
        # A call without a name of its own may have been done although the answer was lost.
        safe = method == "GET" or "Idempotency-Key" in (headers or {})
        return self._call(request, tries=TRIES if safe else 1)

    def _call(self, request: urllib.request.Request, *, tries: int) -> dict[str, Any]:
        for left in reversed(range(tries)):
            try:
                with urllib.request.urlopen(request, timeout=self.timeout) as answer:  # noqa: S310
                    told: dict[str, Any] = json.load(answer)
                    return told
            except urllib.error.HTTPError as error:
                if error.code not in PATIENT or not left:
                    raise RefusedError(error.code, _told(error)) from error
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                if not left:
                    raise
            time.sleep(self.pause * 2 ** (tries - left - 1))
        raise AssertionError("unreachable")


def _told(error: urllib.error.HTTPError) -> dict[str, Any]:
    try:
        told = json.load(error)
    except ValueError:
        told = None
    return told if isinstance(told, dict) else {"detail": error.reason}
