"""Whoever judges a model reaches no label that a model or the aggregator made, said so or not.

``judging()`` has the database refuse such queries where a judge asked for it. Here the code is read
instead: what measures a model, or writes down what was measured, and everything that it calls.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache, cached_property

from config.bootstrap import ROOT

APPS = ("annotation", "learning", "training")
# Whoever uses these measures a model,
MEASURES = {
    *(f"learning.methods.{name}" for name in ("metrics", "calibration", "conformal", "selective")),
    *(f"training.methods.{name}" for name in ("findings", "gate", "paired", "resampling")),
    *(f"training.methods.{name}" for name in ("honesty", "parity", "non_inferiority", "judged")),
    "learning.methods.ppi",
}
# and so does whoever writes one of these rows.
JUDGEMENTS = {
    *("Evaluation", "GateRun", "GateCheck", "GatePredictions", "CaseCheck", "Verification"),
    *("BlindVerdict", "BlindCheck"),
    *("LanguageCalibration", "Temperature", "LanguageFigures", "StopReading", "SelectionGain"),
}
MAKES = {"create", "bulk_create", "get_or_create", "update_or_create"}
# What people's answers were aggregated to, what a run learned of that, and what models think.
CLOSED = {"Consensus", "SnapshotRow", "Prediction"}
LOOKUP = re.compile(r"(^|__)(consensus|predictions?)(__|$)")
# The one that closes them may name them.
DOOR = "annotation.actions.judging"

ALLOWED = {
    "annotation.actions.reports.table.agreed_neighbours": "how many texts, before a repair begins",
    "learning.actions.audits._agreement_on_audit": "what people alone said, beside gold (PPI)",
    "learning.actions.gains._picked": "what networks of a moment learn; they are measured on gold",
    "learning.actions.stop_sets._read": "how far two versions agree with each other, no truth",
    "training.actions.datasets.lineage_rows": "which texts were learned, none of their labels",
    "training.actions.gate_terms._present": "which languages were learned, none of their labels",
}

Unit = tuple[str, str]


@cache
def product() -> Mapping[str, ast.Module]:
    """The rooms where something is done, by their modules' names."""
    rooms = [ROOT / app / room for app in APPS for room in ("actions", "objectives")]
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): ast.parse(
            path.read_text(encoding="utf-8")
        )
        for room in rooms
        for path in room.rglob("*.py")
    }


class House:
    """The product's actions, and who calls whom in them."""

    def __init__(self, extra: Mapping[str, str] | None = None) -> None:
        added = {name: ast.parse(source) for name, source in (extra or {}).items()}
        self.trees = {**product(), **added}
        self.units = {name: dict(_units(tree)) for name, tree in self.trees.items()}
        self.known = {name: dict(self._imported(tree)) for name, tree in self.trees.items()}

    def _imported(self, tree: ast.AST) -> Iterator[tuple[str, Unit]]:
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or not node.module or node.level:
                continue
            for one in node.names:
                whole = f"{node.module}.{one.name}"
                unit = (whole, "") if whole in self.trees else (node.module, one.name)
                yield one.asname or one.name, unit

    @cached_property
    def judges(self) -> set[Unit]:
        """What measures a model, or writes down what was measured."""
        return {
            (name, unit)
            for name in self.trees
            for unit, tree in self.units[name].items()
            if self._measures(name) or any(_makes(node) for node in ast.walk(tree))
        }

    def _measures(self, name: str) -> bool:
        told = self.known[name].values()
        return any(module in MEASURES or f"{module}.{what}" in MEASURES for module, what in told)

    def calls(self, unit: Unit) -> Iterator[Unit]:
        """What a unit names of the others."""
        name, inner = unit
        for node in ast.walk(self.units[name][inner]):
            if isinstance(node, ast.Name):
                yield (name, node.id) if node.id in self.units[name] else self._known(name, node.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                module, what = self._known(name, node.value.id)
                if not what:
                    yield module, node.attr

    def _known(self, name: str, word: str) -> Unit:
        return self.known[name].get(word, ("", ""))

    def reached(self) -> set[str]:
        """Everything closed that a judge comes to, by the unit that reads it."""
        seen, waiting = set(self.judges), list(self.judges)
        while waiting:
            for one in self.calls(waiting.pop()):
                if one not in seen and one[1] in self.units.get(one[0], {}):
                    seen.add(one)
                    waiting.append(one)
        return {
            f"{name}.{unit}"
            for name, unit in seen
            if name != DOOR and any(_is_closed(one) for one in ast.walk(self.units[name][unit]))
        }


def _units(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    yield target.id, node


def _makes(node: ast.AST) -> bool:
    """Whether a row of a judgement is written there."""
    called = node.func if isinstance(node, ast.Call) else None
    if isinstance(called, ast.Name):
        return called.id in JUDGEMENTS
    if not isinstance(called, ast.Attribute) or called.attr not in MAKES:
        return False
    return any(isinstance(one, ast.Name) and one.id in JUDGEMENTS for one in ast.walk(called))


def _is_closed(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        return node.id in CLOSED
    if isinstance(node, ast.Attribute):
        return node.attr in CLOSED or bool(LOOKUP.search(node.attr))
    if isinstance(node, ast.keyword):
        return bool(node.arg and LOOKUP.search(node.arg))
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and bool(LOOKUP.search(node.value))
    )


def test_no_judge_comes_to_a_label_that_was_made_up_but_where_it_is_said_why() -> None:
    reached = House().reached()
    assert reached - ALLOWED.keys() == set(), (
        "These are called where a model is judged and read consensus, what was learned of it, or"
        " predictions. Judge by gold, or say in ALLOWED why no label of theirs tells how good a"
        " model is."
    )
    assert ALLOWED.keys() - reached == set(), "Nobody who judges comes there any more."


HASTY = """
from annotation.models import Consensus
from learning.methods import metrics

def rate(version):
    return metrics.accuracy(_truth(version))

def _truth(version):
    return dict(Consensus.objects.values_list("sample", "label"))
"""
BY_A_FRIEND = """
from training.models import Evaluation
from training.actions.friend import labels

def note(version):
    Evaluation.objects.create(version=version, accuracy=len(labels(version)))
"""
FRIEND = """
from annotation.models import Sample

def labels(version):
    return [one for one in Sample.objects.filter(consensus__confidence__gt=0.9)]
"""
OF_MODELS = """
from training.methods.findings import Answers

def answers(sample):
    return Answers(sample.predictions.all())
"""


def test_a_judge_who_forgot_to_say_so_is_found_wherever_the_query_stands() -> None:
    made = {
        "training.actions.hasty": HASTY,
        "training.actions.noting": BY_A_FRIEND,
        "training.actions.friend": FRIEND,
        "learning.actions.of_models": OF_MODELS,
    }
    assert House(made).reached() - ALLOWED.keys() == {
        "training.actions.hasty._truth",
        "training.actions.friend.labels",
        "learning.actions.of_models.answers",
    }
    # What nobody who judges calls may read what it likes.
    assert House({"training.actions.friend": FRIEND}).reached() == House().reached()
