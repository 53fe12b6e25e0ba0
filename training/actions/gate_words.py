"""What a gate found, in the reader's language: made anew from the numbers that it kept.

A gate writes its sentences down in English, once, beside its numbers; those are the record. What is
shown is said from the numbers. What rests on numbers that an older gate did not keep is shown as it
was written.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import get_language_bidi, ngettext, npgettext
from django.utils.translation import gettext as _

from learning.models import Deployment
from training.methods.gate import BEST, CALIBRATION_MARGIN, CHAMPION, MOST_DECISIONS
from training.models import CaseCheck, GateCheck, GateRun, Verdict

MOST_CASES = 5
Stored = Mapping[str, Any]


@dataclass(frozen=True)
class Seen:
    """What a finding's sentence needs beside its own numbers."""

    items: int = 0
    fixed: int = 0
    broken: int = 0
    everywhere: bool = True
    maintenance: str = ""
    cases: Sequence[CaseCheck] = field(default=())


def sentence_of(found: Stored, seen: Seen) -> str:
    """Say a finding in the reader's language; as it was written where its numbers do not suffice."""
    say = _SENTENCES.get(found["check"])
    try:
        return say(found, seen) if say else str(found["sentence"])
    except KeyError:
        return str(found["sentence"])


def sentences_of(check: GateCheck) -> list[str]:
    """Say everything that was found in one language."""
    seen = Seen(items=check.items, fixed=check.fixed, broken=check.broken)
    return [sentence_of(found, seen) for found in check.detail.get("findings", [])]


def pooled_of(gate: GateRun, *, checks: Sequence[GateCheck]) -> dict[str, str]:
    """Say what was found over all languages, by the name of each check."""
    targets, languages = gate.terms.get("targets") or (), [one.language.tag for one in checks]
    seen = Seen(
        everywhere=not targets or set(languages) <= set(targets),
        maintenance=gate.terms.get("maintenance", ""),
        cases=list(gate.case_checks.select_related("case__language").order_by("pk")),
    )
    return {one["check"]: sentence_of(one, seen) for one in gate.record.get("pooled", [])}


def reasons_of(gate: GateRun) -> list[str]:
    """Say why a gate decided as it did."""
    if gate.verdict == Verdict.VOID:
        told = gate.record.get("void")
        return [_void(one) for one in told] if told else list(gate.reasons)
    checks = list(gate.checks.select_related("language").order_by("pk"))
    pooled = pooled_of(gate, checks=checks)
    if len(pooled) < 3 or not all(check.detail.get("findings") for check in checks):
        return list(gate.reasons)
    holds = {one["check"]: one["holds"] for one in gate.record["pooled"]}
    against = [_against(one) for one in checks if one.verdict == gate.verdict]
    kept = [] if holds["cases"] else [pooled["cases"]]
    if gate.verdict == Verdict.BLOCK:
        return [*against, *kept, pooled["parity"]]
    if gate.verdict == Verdict.HOLD:
        why = [] if holds["reason"] else [pooled["reason"]]
        return [*against, *why, *kept, pooled["parity"]]
    return [_everywhere(len(checks)), pooled["reason"], *kept, pooled["parity"]]


def _everywhere(languages: int) -> str:
    if languages == 1:
        return _("Shown not to be worse in the language.")
    return (
        ngettext(
            "Shown not to be worse in all %d language.",
            "Shown not to be worse in all %d languages.",
            languages,
        )
        % languages
    )


def _against(check: GateCheck) -> str:
    """Say what speaks against a candidate in one language."""
    findings = check.detail["findings"]
    seen = Seen(items=check.items, fixed=check.fixed, broken=check.broken)
    last = findings[-1]
    told = [sentence_of(one, seen) for one in findings if not one["holds"]]
    if check.verdict == Verdict.HOLD and last["check"] == "gold":
        told.append(sentence_of(last, seen))
    return _("%(language)s: %(sentences)s") % {
        "language": check.language.name,
        "sentences": " ".join(told),
    }


def words_of_moves(moves: Sequence[Deployment]) -> dict[int, str]:
    """Say why each version began to serve: by what its gate found, or as whoever moved it wrote."""
    gates = GateRun.objects.filter(candidate__in={one.version_id for one in moves})
    wrote = {(one.candidate_id, " ".join(one.reasons)): one for one in gates}
    said = {}
    for one in moves:
        gate = wrote.get((one.version_id, one.reason)) if one.reason else None
        said[one.pk] = " ".join(reasons_of(gate)) if gate else one.reason
    return said


def _void(why: Stored) -> str:
    if why["code"] == "weights":
        return _("The weights of %(version)s are not what was registered: %(error)s") % why
    said = ngettext(
        "%(count)d sample that the candidate learned from is gold, or shares a text or a group with"
        " gold, or nearly says the same (samples %(some)s). Retire that gold, or train without it.",
        "%(count)d samples that the candidate learned from are gold, or share a text or a group with"
        " gold, or nearly say the same (samples %(some)s). Retire that gold, or train without them.",
        why["count"],
    )
    return said % why


def _harm(found: Stored, seen: Seen) -> str:
    told = {
        "wrong": ngettext("%d answer became wrong", "%d answers became wrong", seen.broken)
        % seen.broken,
        "right": npgettext("answers", "%d became right", "%d became right", seen.fixed)
        % seen.fixed,
    }
    if found["holds"]:
        return _("No harm shown: %(wrong)s and %(right)s.") % told
    told["p"] = _number(found["numbers"]["holm_p"], 4)
    return _("Harm: %(wrong)s and %(right)s, more than chance explains (p = %(p)s).") % told


def _champion(found: Stored, seen: Seen) -> str:
    if not seen.items:
        return _("There is no gold to compare with the champion.")
    if found["holds"]:
        said = _(
            "Not worse: between %(low)s points and %(high)s points against the champion, all above"
            " the margin of %(margin)s points."
        )
    elif found["numbers"]["low"] > -found["numbers"]["margin"]:
        said = _(
            "Not shown: between %(low)s points and %(high)s points against the champion, on too few"
            " items to tell."
        )
    else:
        said = _(
            "Not shown: between %(low)s points and %(high)s points against the champion, which"
            " reaches below the margin of %(margin)s points."
        )
    return said % _ends(found)


def _best(found: Stored, seen: Seen) -> str:
    if not seen.items:
        return _("There is no gold to compare with the best ever released.")
    if found["holds"]:
        said = _(
            "Not worse: between %(low)s points and %(high)s points against the best ever released,"
            " all above the margin of %(margin)s points."
        )
    elif found["numbers"]["low"] > -found["numbers"]["margin"]:
        said = _(
            "Not shown: between %(low)s points and %(high)s points against the best ever released,"
            " on too few items to tell."
        )
    else:
        said = _(
            "Not shown: between %(low)s points and %(high)s points against the best ever released,"
            " which reaches below the margin of %(margin)s points."
        )
    asked = int(found["numbers"].get("asked", 1))
    if found["holds"] or asked == 1:
        return said % _ends(found)
    oftener = _("This gold is asked so for time %d, and wants to be surer each time.") % asked
    return f"{said % _ends(found)} {oftener}"


def _calibration(found: Stored, seen: Seen) -> str:
    numbers = found["numbers"]
    if not seen.items:
        return _("There is no gold to judge calibration.")
    told = {
        "high": _number(100 * numbers["bound"], 1),
        "rise": _number(100 * numbers["rise"], 1),
        "allowed": _number(100 * CALIBRATION_MARGIN, 0),
    }
    if numbers["bound"] <= CALIBRATION_MARGIN:
        said = _(
            "Confidence stays honest: its error rises by at most %(high)s points (allowed:"
            " %(allowed)s)."
        )
    elif found["holds"]:
        told |= {"items": str(seen.items), "needed": str(int(numbers["needed"]))}
        told["nll"] = _number(numbers["nll"], 3, signed=True)
        said = _(
            "Not enough gold to judge calibration: %(items)s of %(needed)s items; its error rises by"
            " at most %(high)s points, and the mean surprise changed by %(nll)s."
        )
    elif "needed" in numbers:
        said = _(
            "Confidence may no longer be honest: its error rises by at most %(high)s points"
            " (allowed: %(allowed)s)."
        )
    else:
        said = _(
            "Confidence became less honest: its error rose by %(rise)s points (allowed:"
            " %(allowed)s)."
        )
    return said % told


def _worn(found: Stored, seen: Seen) -> str:
    fresh = int(found["numbers"]["needed"]) - seen.items
    said = ngettext(
        "This gold has decided %(times)d times and is worn out: %(fresh)d fresh item must join it,"
        " a quarter of all, before it decides again.",
        "This gold has decided %(times)d times and is worn out: %(fresh)d fresh items must join it,"
        " a quarter of all, before it decides again.",
        fresh,
    )
    return said % {"times": MOST_DECISIONS, "fresh": fresh}


def _gold(found: Stored, seen: Seen) -> str:
    needed, missing = (int(found["numbers"][name]) for name in ("needed", "missing"))
    told = {"missing": missing, "items": seen.items, "needed": needed}
    if missing:
        said = ngettext(
            "%(missing)d gold item is missing: %(items)d of %(needed)d.",
            "%(missing)d gold items are missing: %(items)d of %(needed)d.",
            missing,
        )
        return said % told
    said = ngettext(
        "%(items)d gold item is enough; it is the candidate that falls short.",
        "%(items)d gold items are enough; it is the candidate that falls short.",
        seen.items,
    )
    return said % told


def _reason(found: Stored, seen: Seen) -> str:
    if seen.maintenance:
        return _("It is declared maintenance: %s.") % seen.maintenance
    numbers, holds = found["numbers"], found["holds"]
    told = {"delta": _points(numbers["delta"]), "p": _number(numbers["p"], 4 if holds else 3)}
    said = {
        (True, True): _("A reason to change: %(delta)s points over all languages (p = %(p)s)."),
        (True, False): _(
            "A reason to change: %(delta)s points over the languages it learned in (p = %(p)s)."
        ),
        (False, True): _(
            "No reason to change is shown: %(delta)s points over all languages (p = %(p)s)."
        ),
        (False, False): _(
            "No reason to change is shown: %(delta)s points over the languages it learned in"
            " (p = %(p)s)."
        ),
    }
    return said[holds, seen.everywhere] % told


def _parity(found: Stored, _seen: Seen) -> str:
    numbers = found["numbers"]
    if not numbers:
        return _("Parity needs gold in two languages at least.")
    return _(
        "The worst language is %(gap)s points below the mean; that gap changed by %(change)s points"
        " (at most %(bound)s points)."
    ) % {
        "gap": _points(numbers["gap"]).replace("+", ""),
        "change": _points(numbers["change"]),
        "bound": _points(numbers["bound"]),
    }


def _cases(found: Stored, seen: Seen) -> str:
    total, broken, learned = (int(found["numbers"][n]) for n in ("cases", "broken", "learned"))
    if not total:
        return _("There are no regression cases.")
    disputed = int(found["numbers"].get("disputed", 0))
    fair = total - learned - disputed
    told = []
    if broken:
        told.append(_worse(broken, fair=fair, named=[one for one in seen.cases if one.broken]))
        if found["holds"]:
            told.append(_("That is within 2 % of the lesser cases of each language."))
    elif fair:
        said = ngettext(
            "All %d regression case is as right as before.",
            "All %d regression cases are as right as before.",
            fair,
        )
        told.append(said % fair)
    if learned:
        said = ngettext(
            "%(learned)d of %(total)d is no evidence: the candidate has learned the text, or nearly"
            " the same.",
            "%(learned)d of %(total)d are no evidence: the candidate has learned the text, or nearly"
            " the same.",
            learned,
        )
        told.append(said % {"learned": learned, "total": total})
    if disputed:
        said = ngettext(
            "%(disputed)d of %(total)d decides nothing: speakers dispute what it asks for.",
            "%(disputed)d of %(total)d decide nothing: speakers dispute what they ask for.",
            disputed,
        )
        told.append(said % {"disputed": disputed, "total": total})
    return " ".join(told)


def _worse(broken: int, *, fair: int, named: Sequence[CaseCheck]) -> str:
    if len(named) != broken:
        raise KeyError("cases that are not there any more are told as they were written")
    texts = [f"{one.case.language.tag} “{one.case.text[:60]}”" for one in named[:MOST_CASES]]
    if broken > MOST_CASES:
        more = broken - MOST_CASES
        texts.append(ngettext("and %d more", "and %d more", more) % more)
    return ngettext(
        "%(broken)d of %(fair)d regression cases got worse: %(texts)s.",
        "%(broken)d of %(fair)d regression cases got worse: %(texts)s.",
        broken,
    ) % {"broken": broken, "fair": fair, "texts": "; ".join(texts)}


def _ends(found: Stored) -> dict[str, str]:
    numbers = found["numbers"]
    return {
        "low": _points(numbers["low"]),
        "high": _points(numbers["high"]),
        "margin": _points(-numbers["margin"]),
    }


def _points(share: float) -> str:
    return _number(100 * share, 1, signed=True)


def _number(value: float, digits: int, *, signed: bool = False) -> str:
    """Write a number as the reader's language does, in its own order among right-to-left words."""
    rounded = round(value, digits)
    text = number_format(abs(rounded), decimal_pos=digits)
    sign = "−" if rounded < 0 else "+" if signed else ""
    return f"\u2066{sign}{text}\u2069" if get_language_bidi() else f"{sign}{text}"


_SENTENCES: dict[str, Callable[[Stored, Seen], str]] = {
    "harm": _harm,
    CHAMPION: _champion,
    BEST: _best,
    "calibration": _calibration,
    "worn": _worn,
    "gold": _gold,
    "reason": _reason,
    "parity": _parity,
    "cases": _cases,
}
