"""A hold asks speakers for the gold it lacks, and the gate looks again when it is there."""

import gzip
import hashlib
import json
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from django.utils import timezone

from annotation.actions.desk import prepare_desk
from annotation.actions.intake import sweep
from annotation.actions.queue import push_items
from annotation.models import Annotation, Annotator, CampaignLanguage, GoldItem, Item, Reliability
from learning.actions.pools import unasked
from learning.actions.serving import deploy, serving_version
from learning.actions.versions import initial_version, register_version
from learning.inference import logits_of
from learning.models import Round
from tests.fakes import FakeLabelingDesk
from tests.make import make_annotator, make_campaign, make_gold, make_item, make_sample
from tests.training.tiny import Tiny
from training.actions import cycle, gates
from training.actions.cases import add_case
from training.actions.distillation import for_gold
from training.actions.gold_answers import settle_gold, tend_gold
from training.actions.gold_calls import call_for_gold, may_look_again
from training.models import (
    DataSnapshot,
    GateCheck,
    GateRun,
    GoldCandidate,
    GoldVersion,
    SnapshotRow,
    TrainingRun,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]

NOW = timezone.now()
TEXTS = [f"a text about thing number {n} and nothing else" for n in range(400)]


def make_run(*, gold=60, seed=1, tag="wo", **over):
    """A campaign of one language, its first version, and a finished run with another candidate."""
    campaign = make_campaign(languages=(tag,), network="tiny", status="running", **over)
    for name in ("awa", "inti", "noor"):
        if not Annotator.objects.filter(user__username=name).exists():
            make_annotator(name, tag)
    for text in TEXTS[:gold]:
        make_gold(campaign, tag, text=f"gold {text}")
    champion = initial_version(campaign)
    return campaign, add_run(campaign, champion, seed=seed)


def add_run(campaign, champion, *, seed, number=1, strange=False):
    network = Tiny(champion.manifest["labels"], seed=seed)
    if strange:
        # The first version says the same of everything; this one says something else.
        network.module.head.data[:] = torch.tensor([-9.0, 0.0, 9.0]) * network.module.words[0, 0]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "network"
        network.save(folder)
        candidate = register_version(
            campaign, folder=folder, network="tiny", base=champion, manifest=champion.manifest
        )
    round_ = Round.objects.create(
        campaign=campaign, number=number, version=champion, status="closed", opened_at=NOW
    )
    snapshot = DataSnapshot.objects.create(
        campaign=campaign, digest=f"{number:064}", samples=1, fresh_samples=1
    )
    return TrainingRun.objects.create(
        campaign=campaign,
        round=round_,
        snapshot=snapshot,
        base=champion,
        candidate=candidate,
        status="finished",
        seed=seed,
    )


def make_pool(campaign, count, tag="wo"):
    words = ["river", "market", "school", "password", "weather", "goat", "letter", "bridge"]
    return [
        make_sample(campaign, tag, f"{words[n % 8]} {hashlib.sha256(str(n).encode()).hexdigest()}")
        for n in range(count)
    ]


def answer(item, name, key):
    """Somebody answers an item at the desk."""
    language = item.campaign_language.language
    person = language.annotators.get(user__username=name)
    label = item.campaign_language.campaign.labels.get(key=key)
    Annotation.objects.create(
        item=item,
        annotator=person,
        desk_annotation_id=10_000 + Annotation.objects.count(),
        state="answered",
        label=label,
        answer={"label": key},
        desk_updated_at=f"2026-11-21T00:00:{Annotation.objects.count() % 60:02}.000000Z",
    )
    given = item.annotations.values("annotator").distinct().count()
    state = "answered" if given >= Item.objects.get(pk=item.pk).wanted else "pushed"
    Item.objects.filter(pk=item.pk).update(state=state, desk_task_id=item.pk)


def held(**over):
    campaign, run = make_run(**over)
    gate = gates.judge(run.pk, now=NOW)
    assert gate.verdict == "HOLD", gate.reasons
    return campaign, run, gate


def test_a_hold_asks_for_exactly_what_is_missing_and_looks_again_when_two_agreed():
    campaign, run, gate = held(gold=60)
    missing = gate.checks.get().items_missing
    assert missing == 147 - 60  # what it takes at a third of the risk when nothing changed
    make_pool(campaign, missing + 20)
    (call,) = call_for_gold(gate)
    assert (call.asked, call.note) == (missing, "")
    assert call_for_gold(gate) == [call]
    items = list(Item.objects.filter(kind="candidate"))
    assert len(items) == missing
    assert {item.wanted for item in items} == {2}
    assert not may_look_again(gate)
    for item in items:
        answer(item, "awa", "dates")
        answer(item, "inti", "dates")
    works = tend_gold(campaign, now=NOW)
    assert [w.kwargs for w in works if w.task.endswith("judge")] == [{"run_id": run.pk}]
    assert GoldItem.objects.filter(origin="speakers", label__key="dates").count() == missing
    again = gates.judge(run.pk, now=NOW)
    assert (again.look, again.looks, again.alpha) == (2, 3, pytest.approx(0.05 / 3))
    assert again.checks.get().items == 147
    assert again.checks.get().verdict == "PASS"
    assert gates.judge(run.pk, now=NOW) == again
    assert [g.look for g in run.gates.order_by("look")] == [1, 2]


def test_whoever_judged_and_died_before_asking_is_made_good_at_the_next_look():
    campaign, _, gate = held(gold=60)
    make_pool(campaign, 100)
    assert not gate.gold_calls.exists()
    tend_gold(campaign, now=NOW)
    (call,) = gate.gold_calls.all()
    tend_gold(campaign, now=NOW)
    assert list(gate.gold_calls.all()) == [call]


def test_one_piece_of_gold_from_elsewhere_buys_no_look_where_nobody_was_asked():
    campaign, _, gate = held(gold=60)
    make_gold(campaign, "wo", "dates", "gate", text="brought in by somebody")
    assert not may_look_again(gate)


def test_student_is_judged_on_texts_it_never_read():
    campaign, run, gate = held(gold=60)
    TrainingRun.objects.filter(pk=run.pk).update(kind="distil")
    make_pool(campaign, 100)
    call_for_gold(gate)
    asked = [item.sample.uid for item in Item.objects.filter(kind="candidate")]
    assert asked
    assert all(for_gold(uid) for uid in asked)


def test_people_who_differ_are_asked_a_third_and_what_nobody_agrees_on_is_dropped():
    campaign, _run, gate = held(gold=140)
    make_pool(campaign, 7)
    call_for_gold(gate)
    first, second, third, *_ = Item.objects.filter(kind="candidate").order_by("pk")
    for item, said in ((first, ("admin", "dates")), (second, ("admin", "dates"))):
        answer(item, "awa", said[0])
        answer(item, "inti", said[1])
    assert settle_gold(campaign, now=NOW) == 0
    first.refresh_from_db()
    assert (first.wanted, first.desk_wanted, first.state) == (3, 1, "pushed")
    answer(first, "noor", "dates")
    answer(second, "noor", "accounts")
    settle_gold(campaign, now=NOW)
    assert first.sample.gold.label.key == "dates"
    dropped = GoldCandidate.objects.get(item=second)
    assert (dropped.state, dropped.reason) == ("dropped", "3 people gave different answers.")
    # Somebody whom gold has shown to guess does not count as one of the two.
    guesser = campaign.languages.get().language.annotators.get(user__username="inti")
    Reliability.objects.create(
        campaign=campaign,
        annotator=guesser,
        confusion=[],
        competent=0.1,
        skill=0,
        skill_low=0,
        skill_high=0.2,
        answers=9,
        gold_answers=9,
    )
    answer(third, "awa", "admin")
    answer(third, "inti", "admin")
    assert settle_gold(campaign, now=NOW) == 0
    third.refresh_from_db()
    assert (third.wanted, hasattr(third.sample, "gold")) == (3, False)


def test_gold_is_never_asked_of_what_was_asked_or_resembles_it():
    campaign, _run, gate = held(gold=140)
    asked = make_sample(campaign, "wo", "The password was changed for all of you.", group="g1")
    make_item(asked, state="answered")
    make_sample(campaign, "wo", "the PASSWORD was changed for all of you")
    make_sample(campaign, "wo", "Baatu-jàll bi soppeeku na.", group="g1")
    fine = make_sample(campaign, "wo", "Something else altogether, please.")
    (call,) = call_for_gold(gate)
    assert [c.item.sample for c in call.candidates.all()] == [fine]
    assert call.note.startswith("Only 1 texts are left")


def test_a_candidate_for_gold_is_never_learned_from():
    campaign, _run, gate = held(gold=140)
    sample = make_pool(campaign, 1)[0]
    call_for_gold(gate)
    from training.actions.gold_marks import GoldMarks

    assert GoldMarks.of(campaign).near(sample)
    GoldCandidate.objects.update(state="dropped")
    assert GoldMarks.of(campaign).near(sample)


def test_a_released_version_makes_the_held_one_past():
    campaign, _run, gate = held(gold=60)
    for text in TEXTS[100:300]:
        make_gold(campaign, "wo", text=text)
    assert may_look_again(gate)
    deploy(campaign, version=gate.candidate, kind="promotion", reason="it passed elsewhere")
    assert not may_look_again(gate)
    assert [w for w in tend_gold(campaign, now=NOW) if w.task.endswith("judge")] == []


def test_no_more_than_three_looks_and_none_on_the_same_gold():
    campaign, run, gate = held(gold=60)
    assert gates.judge(run.pk, now=NOW) == gate
    GateRun.objects.filter(pk=gate.pk).update(look=3)
    for text in TEXTS[100:300]:
        make_gold(campaign, "wo", text=text)
    assert gates.judge(run.pk, now=NOW).look == 3
    assert call_for_gold(GateRun.objects.get(pk=gate.pk)) == []


def test_where_nobody_can_agree_it_is_said():
    campaign, run = make_run(gold=60)
    campaign.languages.get().language.annotators.exclude(user__username="awa").update(active=False)
    make_pool(campaign, 5)
    (call,) = call_for_gold(gates.judge(run.pk, now=NOW))
    assert (call.asked, call.note) == (0, "Fewer than 2 people can answer here: invite speakers.")


def test_gold_that_was_taken_back_is_gold_no_more():
    campaign, _run, gate = held(gold=140)
    make_pool(campaign, 7)
    call_for_gold(gate)
    item = Item.objects.filter(kind="candidate").first()
    answer(item, "awa", "admin")
    answer(item, "inti", "admin")
    tend_gold(campaign, now=NOW)
    assert item.sample.gold.retired_at is None
    Annotation.objects.filter(annotator__user__username="awa").update(state="deleted", label=None)
    tend_gold(campaign, now=NOW)
    assert GoldItem.objects.get(sample=item.sample).retired_at == NOW


def test_gold_wears_out_after_twenty_decisions_until_a_quarter_is_fresh():
    campaign, run = make_run(gold=150, gate_looks=1)
    first = gates.judge(run.pk, now=NOW)
    check = first.checks.get()
    assert check.gold_version.number == 1
    for number in range(2, 21):
        other = add_run(campaign, run.base, seed=1, number=number)
        gate = GateRun.objects.create(
            run=other, candidate=run.candidate, champion=run.base, margin=0.03, verdict="HOLD"
        )
        GateCheck.objects.create(
            gate=gate,
            language=check.language,
            items=150,
            fixed=0,
            broken=0,
            delta=0,
            delta_low=0,
            delta_high=0,
            harm_p=1,
            champion_z=0,
            verdict="PASS",
            gold_version=check.gold_version,
        )
    worn = gates.judge(add_run(campaign, run.base, seed=1, number=30).pk, now=NOW)
    assert worn.verdict == "HOLD"
    assert "has decided 20 times and is worn out: 50 fresh items must join it" in worn.reasons[0]
    assert worn.checks.get().items_missing == 50
    for text in TEXTS[200:250]:
        make_gold(campaign, "wo", text=text)
    fresh = gates.judge(add_run(campaign, run.base, seed=1, number=31).pk, now=NOW)
    assert fresh.checks.get().verdict == "PASS"
    assert GoldVersion.objects.get(number=2).decisions.count() == 1


@pytest.mark.parametrize(
    ("learned", "group"),
    [
        ("Your password was changed for all of you", ""),
        ("  YOUR password  was changed for all of you.", ""),
        ("Yóur passwörd was chànged for all of you!", ""),
        ("Sa baatu-jàll soppeeku na ngir yéen ñépp", "message-7"),
    ],
    ids=("exact", "case and spaces", "diacritics", "translation"),
)
def test_gold_that_slipped_into_training_makes_the_gate_void(learned, group):
    campaign, run = make_run(gold=150)
    make_gold(campaign, "wo", text="Your password was changed for all of you", group="message-7")
    sample = make_sample(campaign, "wo", learned, group=group)
    SnapshotRow.objects.create(
        snapshot=run.snapshot, sample=sample, target=[1, 0, 0], weight=1, fresh=True, revisions=[]
    )
    gate = gates.judge(run.pk, now=NOW)
    assert gate.verdict == "VOID"
    assert f"(samples {sample.pk})" in gate.reasons[0]


@pytest.mark.parametrize(
    ("rule", "verdict"), [("block", "BLOCK"), ("hold", "HOLD"), ("report", "HOLD")]
)
def test_a_case_that_gets_worse_is_named_and_the_campaign_says_what_follows(rule, verdict):
    campaign, first = make_run(gold=0, case_rule=rule)
    run = add_run(campaign, first.base, seed=3, number=2, strange=True)
    text = next(t for t in TEXTS if said_by(run.candidate, t) != said_by(run.base, t))
    keys = run.base.manifest["labels"]
    add_case(campaign, tag="wo", text=text, expected=[keys[said_by(run.base, text)]])
    switched_off = add_case(campaign, tag="wo", text=f"{text} or not", expected=keys)
    type(switched_off).objects.filter(pk=switched_off.pk).update(active=False)
    gate = gates.judge(run.pk, now=NOW)
    check = gate.case_checks.get()
    assert (check.champion_right, check.candidate_right, check.broken) == (True, False, True)
    assert gate.verdict == verdict
    named = f"1 of 1 regression cases got worse: wo “{text}”."
    assert named in gate.reasons
    assert any(found["sentence"] == named for found in gate.record["pooled"])


def said_by(version, text):
    return int(logits_of(version, texts=[text], languages=["wo"]).argmax())


def test_everything_that_decided_is_recorded():
    _campaign, run = make_run(gold=150)
    gate = gates.judge(run.pk, now=NOW)
    record, file = gate.record, gate.predictions
    content = gzip.decompress(file.content)
    assert hashlib.sha256(content).hexdigest() == file.sha256
    rows = [json.loads(line) for line in content.splitlines()]
    assert len(rows) == file.rows == 150
    assert set(rows[0]) >= {"language", "sample", "truth", "champion", "candidate"}
    assert {"seed", "libraries", "code", "judged_at", "tokenizer_sha256"} <= set(record)
    assert gate.candidate_digest == run.candidate.digest
    check = gate.checks.get()
    assert check.gold_digest
    assert {f["check"] for f in check.detail["findings"]} >= {"harm", "the champion", "calibration"}
    assert check.detail["flip_rate"] is not None


def test_the_desk_hears_of_it_and_hands_it_to_a_third():
    """Through the real queue: pushed for two, and for a third when the two differ."""
    campaign, run = make_run(gold=140)
    make_pool(campaign, 7)
    assert gates.try_to_judge(run.pk, now=NOW).verdict == "HOLD"
    desk = FakeLabelingDesk()
    home = prepare_desk(campaign.languages.get(), desk=desk)
    push_items(home, desk=desk, now=NOW)
    item = Item.objects.filter(kind="candidate").order_by("priority").first()
    people = {a.user.username: a.user.desk_user_id for a in home.language.annotators.all()}
    for name, label in (("awa", "admin"), ("inti", "dates")):
        desk.annotate(item.desk_task_id, user_id=people[name], label=label)
    sweep(home, desk=desk, now=NOW)
    works = tend_gold(campaign, now=NOW)
    assert [w.task for w in works] == ["annotation.tasks.push"]
    push_items(home, desk=desk, now=NOW)
    item.refresh_from_db()
    assert (item.wanted, item.desk_wanted, item.state) == (3, 3, "pushed")
    assert tend_gold(campaign, now=NOW) == []
    desk.annotate(item.desk_task_id, user_id=people["noor"], label="admin")
    sweep(home, desk=desk, now=NOW)
    tend_gold(campaign, now=NOW)
    assert item.sample.gold.label.key == "admin"


def test_rounds_go_on_while_a_held_candidate_waits_for_gold():
    campaign, _run, gate = held(gold=140)
    pool = make_pool(campaign, 20)
    (call,) = call_for_gold(gate)
    assert call.asked == 7
    cycle.advance(campaign, now=NOW)
    round_ = campaign.rounds.get(number=2)
    assert (round_.status, round_.version) == ("scoring", gate.champion)
    # What may become gold is not asked about again, nor waited for by the round.
    waiting = set(Item.objects.filter(kind="candidate").values_list("sample", flat=True))
    left = set(unasked(campaign).values_list("pk", flat=True))
    assert left == {sample.pk for sample in pool} - waiting
    assert not Item.objects.filter(pick__round=round_).exists()


def test_the_last_round_asks_for_no_gold_that_would_come_too_late():
    campaign, _run, gate = held(gold=140, max_rounds=1)
    make_pool(campaign, 20)
    assert call_for_gold(gate) == []
    campaign, _run, gate = held(gold=140, gold_at_once=3)
    make_pool(campaign, 20)
    assert [call.asked for call in call_for_gold(gate)] == [3]


def test_a_later_look_that_passes_is_released_by_itself():
    campaign, run, gate = held(gold=60)
    later = GateRun.objects.create(
        run=run,
        look=2,
        looks=3,
        candidate=run.candidate,
        champion=run.base,
        candidate_digest=run.candidate.digest,
        margin=0.03,
        verdict="PASS",
        reasons=["Shown."],
    )
    tend_gold(campaign, now=NOW + timedelta(minutes=1))
    assert serving_version(campaign) == later.candidate
    assert CampaignLanguage.objects.get(campaign=campaign).items.count() == 0
    assert gate.look == 1
