"""Roles: a text is asked, or tunes, or judges; never two of them.

What judges a model must not have taught it, in no disguise. The same text (equal digest), in
whatever language it stands, and every translation of it (equal group) must therefore have one
role in a campaign: pool, dev or gate. Languages share one network, so a gold text in one
language that is trained on in another, or as a translation, has leaked. Whoever comes first
keeps the role; a later row that would give a second one is refused. Within one language a gold
text is there once, since the gate counts its items as independent.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from annotation.methods.readers.cleaning import POOL, CleanRow, Refusal
from annotation.methods.texts import excerpt

_WORDS = {"pool": "in the pool", "dev": "gold (dev)", "gate": "gold (gate)"}


@dataclass
class Register:
    """Which ids, texts and groups are taken, and for what.

    >>> register = Register()
    >>> register.note(language="wo", external_id="7", digest="d1", group="g", role="gate")
    >>> "7" in {external_id for _, external_id in register.ids}
    True
    """

    ids: set[tuple[str, str]] = field(default_factory=set)
    texts: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    groups: dict[str, set[str]] = field(default_factory=dict)

    def note(
        self, *, language: str, external_id: str | None, digest: str, group: str, role: str
    ) -> None:
        """Remember a sample that is there."""
        if external_id:
            self.ids.add((language, external_id))
        self.texts.setdefault(digest, {}).setdefault(language, set()).add(role)
        if group:
            self.groups.setdefault(group, set()).add(role)

    def place(self, row: CleanRow) -> Refusal | None:
        """Give the row its place, or say what is in the way."""
        problem = self._problem(row)
        if problem:
            return Refusal(row.number, *problem, excerpt(row.text))
        self.note(
            language=row.language,
            external_id=row.external_id,
            digest=row.digest,
            group=row.group,
            role=row.role,
        )
        return None

    def place_all(self, rows: Iterable[CleanRow]) -> tuple[list[CleanRow], list[Refusal]]:
        """Place rows in order; return the placed ones and the refusals."""
        placed: list[CleanRow] = []
        refused: list[Refusal] = []
        for row in rows:
            refusal = self.place(row)
            if refusal is None:
                placed.append(row)
            else:
                refused.append(refusal)
        return placed, refused

    def _problem(self, row: CleanRow) -> tuple[str, str] | None:
        if row.external_id and (row.language, row.external_id) in self.ids:
            shown = excerpt(row.external_id, length=80)
            return "id", f"the id {shown!r} is already taken in {row.language}"
        known = self.texts.get(row.digest, {})
        for language, roles in known.items():
            if other := next((role for role in sorted(roles) if role != row.role), ""):
                return "text", _leak(f"the same text is already {_WORDS[other]} in {language}", row)
        if row.role != POOL and row.language in known:
            return "text", f"the same text is already {_WORDS[row.role]} in {row.language}"
        if other := next((r for r in sorted(self.groups.get(row.group, ())) if r != row.role), ""):
            shown = excerpt(row.group, length=60)
            return "group", _leak(f"the group {shown!r} is already {_WORDS[other]}", row)
        return None


def _leak(what: str, row: CleanRow) -> str:
    return f"{what}; as {_WORDS[row.role]} too, it would leak answers into the gate"
