"""Doors: every address of ours and who comes in, as `doors.txt` tells it, one line an address."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests.security.world import ROLES, World

TABLE = Path(__file__).with_name("doors.txt")
EVERYBODY = set(ROLES)
# Who comes in by each kind of door; `doors.txt` says which door each address is behind.
COMING_IN = {
    "open": EVERYBODY,
    "signed-in": EVERYBODY - {"stranger"},
    "operate": {"staff", "superuser"},
    "lead": {"admin", "staff", "superuser"},
    "watch": {"coordinator", "neighbour", "admin", "staff", "superuser"},
    "watch-anywhere": {"coordinator", "neighbour", "admin", "outsider", "staff", "superuser"},
    "people": {"coordinator", "neighbour", "admin", "staff", "superuser"},
    "of-the-language": {"coordinator", "admin", "staff", "superuser"},
    "answer": {"annotator", "coordinator", "staff", "superuser"},
}
# Staff who do not answer themselves have nothing there.
COMING_IN["answer-self"] = {"annotator", "coordinator"}
# Behind it stands what an admin has not shown to everybody: it is as if it were not there.
COMING_IN["shown"] = COMING_IN["watch"]
# What only names a table or a format, and nothing that one campaign has and another has not.
WORDS = {"rounds", "people", "picks", "jsonl", "nothing"}


@dataclass(frozen=True)
class Door:
    """One line of the table."""

    name: str
    who: str
    named: dict[str, str]
    get: str
    post: str

    @property
    def held(self) -> bool:
        """Whether it names something that a campaign holds, beside campaign and language."""
        return any(word not in WORDS for word in self.named.values())

    def address(self, world: World, **over: str) -> str:
        pattern = ADDRESSES[self.name].pattern.converters
        known = {"slug": "here", "tag": "wo"} | {k: world.words[w] for k, w in self.named.items()}
        return reverse(self.name, kwargs={k: v for k, v in (known | over).items() if k in pattern})

    def lets_in(self, role: str) -> bool:
        """Whether somebody of that role comes in."""
        return role in COMING_IN[self.who]

    def expected(self, role: str, method: str) -> set[str]:
        """What this role is answered."""
        if self.lets_in(role):
            return set((self.get if method == "GET" else self.post).replace("w", "").split("/"))
        if self.who == "shown":
            return {"404", "405"}
        return {"sign-in", "401", "405"} if role == "stranger" else {"403", "405"}


def doors() -> dict[str, Door]:
    rows = [line.split() for line in TABLE.read_text().split("# The JSON API")[0].splitlines()]
    found = [row for row in rows if row and row[0] != "#"]
    return {
        name: Door(name, who, dict(one.split("=") for one in named.split(",") if "=" in one), *more)
        for name, who, named, *more in found
    }


def operations() -> dict[str, tuple[str, str]]:
    rows = [line.split() for line in TABLE.read_text().split("# The JSON API")[1].splitlines()[1:]]
    return {row[0]: (row[1], row[2]) for row in rows if row and row[0] != "#"}


def patterns(resolver: URLResolver, *, wanted: str = "") -> Iterator[URLPattern]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLPattern):
            if not wanted:
                yield entry
        elif (entry.namespace or "") in ("", wanted):
            yield from patterns(entry, wanted="" if entry.namespace == wanted else wanted)


ADDRESSES = {str(entry.name): entry for entry in patterns(get_resolver())}
DOORS = doors()
