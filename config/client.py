"""A client of the JSON API: one file, standard library only; copy it to where it is needed.

::

    vernacular = Client("https://awa.example", key="vernacular_…")
    with open("reviews.csv", "rb") as file:
        job = vernacular.import_file("mood", file, filename="reviews.csv")
    job = vernacular.wait_for_import("mood", job["number"])
    for answer in vernacular.answers("mood", language="wo"):
        print(answer["item"], answer["label"])
    vernacular.agreed("mood", open("agreed.parquet", "wb"), format="parquet")
    print(vernacular.predict("mood", "Jërëjëf!", language="wo")["answer"]["label"])
"""

import http.client
import json
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, TypedDict, TypeVar, cast

TRIES = 5
PATIENT = (429, 502, 503, 504)
OVER = ("done", "refused", "failed")
PAGE = 500
Taken = TypeVar("Taken")


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


class Webhook(TypedDict):
    """An address that hears of a campaign."""

    number: int
    url: str
    kinds: list[str]
    state: str
    created_at: str


class WebhookMade(Webhook):
    """The same with what news are signed with."""

    secret: str


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
        return cast("Import", self._send(f"campaigns/{slug}/imports", file, asked=asked))

    def import_folder(
        self,
        slug: str,
        archive: IO[bytes],
        *,
        filename: str = "folder.zip",
        default: Mapping[str, str] | None = None,
        **options: str,
    ) -> list[Import]:
        """Bring a folder of the library ``datasets`` in, as ZIP: an import for each of its files."""
        asked: list[tuple[str, str]] = [("filename", filename), *options.items()]
        asked += [("default", f"{key}={value}") for key, value in (default or {}).items()]
        told = self._send(f"campaigns/{slug}/folders", archive, asked=asked)
        return cast("list[Import]", told["items"])

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

    def agreed(
        self, slug: str, file: IO[bytes], *, format: str = "jsonl", language: str = ""
    ) -> None:
        """Write what people agree on to a file: jsonl, csv, parquet, json (Label Studio), datasets (ZIP)."""
        asked = urllib.parse.urlencode({"format": format, "language": language})
        self._whole(f"campaigns/{slug}/agreed?{asked}", file)

    def marks(self, slug: str, tag: str, file: IO[bytes], *, format: str = "conllu") -> None:
        """Write the marks that people agree on in a language to a file: conllu, iob2 or jsonl."""
        asked = urllib.parse.urlencode({"format": format})
        self._whole(f"campaigns/{slug}/languages/{urllib.parse.quote(tag)}/marks?{asked}", file)

    def corrections(self, slug: str, tag: str, file: IO[bytes], *, format: str = "po") -> None:
        """Write what people wrote in place of what a model wrote in a language to a file: po, jsonl."""
        asked = urllib.parse.urlencode({"format": format})
        place = f"campaigns/{slug}/languages/{urllib.parse.quote(tag)}/corrections"
        self._whole(f"{place}?{asked}", file)

    def webhooks(self, slug: str) -> Iterator[Webhook]:
        """Addresses that hear of a campaign."""
        return cast("Iterator[Webhook]", self._pages(f"campaigns/{slug}/webhooks"))

    def webhook(self, slug: str, number: int) -> Webhook:
        """How it goes with one."""
        return cast("Webhook", self._json("GET", f"campaigns/{slug}/webhooks/{number}"))

    def add_webhook(self, slug: str, url: str, *, kinds: Sequence[str] = ()) -> WebhookMade:
        """Have news sent to an address; its secret is told this once."""
        body = json.dumps({"url": url, "kinds": list(kinds)}).encode()
        return cast("WebhookMade", self._json("POST", f"campaigns/{slug}/webhooks", body=body))

    def change_webhook(self, slug: str, number: int, *, state: str) -> Webhook:
        """Have it ``stopped``, or ``running`` again with what it missed."""
        body = json.dumps({"state": state}).encode()
        told = self._json("PATCH", f"campaigns/{slug}/webhooks/{number}", body=body)
        return cast("Webhook", told)

    def remove_webhook(self, slug: str, number: int) -> None:
        """Forget an address."""
        self._json("DELETE", f"campaigns/{slug}/webhooks/{number}")

    def turn_webhook_secret(self, slug: str, number: int) -> WebhookMade:
        """Have news signed with another secret."""
        told = self._json("POST", f"campaigns/{slug}/webhooks/{number}/secret", body=b"")
        return cast("WebhookMade", told)

    def ping_webhook(self, slug: str, number: int) -> dict[str, Any]:
        """Have something sent that means nothing."""
        return self._json("POST", f"campaigns/{slug}/webhooks/{number}/ping", body=b"")

    def deliveries(self, slug: str, number: int) -> Iterator[dict[str, Any]]:
        """What went out to an address."""
        return self._pages(f"campaigns/{slug}/webhooks/{number}/deliveries")

    def version(self, slug: str, number: int) -> dict[str, Any]:
        """One version."""
        return self._json("GET", f"campaigns/{slug}/versions/{number}")

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

    def _send(
        self, path: str, file: IO[bytes], *, asked: Sequence[tuple[str, str]]
    ) -> dict[str, Any]:
        return self._json(
            "POST",
            f"{path}?{urllib.parse.urlencode(asked)}",
            body=file.read(),
            headers={
                "Content-Type": "application/octet-stream",
                "Idempotency-Key": uuid.uuid4().hex,
            },
        )

    def _whole(self, path: str, file: IO[bytes]) -> None:
        """Write an answer to a file piece by piece."""
        # Half a file is not begun again: whoever asked for it decides.
        self._call(
            self._request("GET", path), tries=1, take=lambda said: shutil.copyfileobj(said, file)
        )

    def _json(
        self, method: str, path: str, *, body: bytes | None = None, headers: Any = None
    ) -> dict[str, Any]:
        request = self._request(method, path, body=body, headers=headers)
        # A call without a name of its own may have been done although the answer was lost.
        safe = method == "GET" or "Idempotency-Key" in (headers or {})
        said = self._call(request, tries=TRIES if safe else 1, take=lambda answer: answer.read())
        told: dict[str, Any] = json.loads(said) if said else {}
        return told

    def _request(
        self, method: str, path: str, *, body: bytes | None = None, headers: Any = None
    ) -> urllib.request.Request:
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
        return request

    def _call(
        self,
        request: urllib.request.Request,
        *,
        tries: int,
        take: Callable[[http.client.HTTPResponse], Taken],
    ) -> Taken:
        for left in reversed(range(tries)):
            try:
                with urllib.request.urlopen(request, timeout=self.timeout) as answer:  # noqa: S310
                    return take(answer)
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
