"""What ratings and preferences amount to: planted qualities come back through what people gave."""

import csv
import io

import numpy as np
import pytest
from django.test import Client
from scipy.stats import spearmanr

from annotation.actions import judgements
from annotation.errors import ConflictError, InvalidInputError
from annotation.models import Annotation, Annotator, CampaignLanguage, Item, Sample
from annotation.objectives import preferences, ratings
from tests.make import make_annotator, make_campaign, make_gold, make_item, make_sample, make_user

pytestmark = pytest.mark.django_db


def home_of(kind: str) -> CampaignLanguage:
    labels = ratings.LABELS if kind == "ratings" else preferences.LABELS
    campaign = make_campaign(objective=kind, labels=tuple(labels), languages=("wo",))
    return CampaignLanguage.objects.select_related("campaign", "language").get(campaign=campaign)


def say_all(home: CampaignLanguage, told: list[tuple[Sample, Annotator, dict]]) -> None:
    """Keep what each person answered to each text, all at once."""
    fresh = {sample.digest: sample for sample, *_ in told if sample.pk is None}
    Sample.objects.bulk_create(fresh.values())
    samples = {sample.pk: sample for sample, *_ in told}
    items = Item.objects.bulk_create(
        Item(campaign_language=home, sample=one, kind="acquisition") for one in samples.values()
    )
    of, labels = (
        {one.sample_id: one for one in items},
        {one.key: one for one in home.campaign.labels.all()},
    )
    Annotation.objects.bulk_create(
        Annotation(
            item=of[sample.pk], annotator=person, state="answered", answer=answer,
            label=labels[answer["label"]], desk_annotation_id=number, desk_updated_at="2026",
        )
        for number, (sample, person, answer) in enumerate(told, start=1)
    )  # fmt: skip


def say(home: CampaignLanguage, sample: Sample, *people: Annotator, **answer) -> None:
    """Have everybody give a text that is kept already the same answer."""
    item = make_item(sample)
    for person in people:
        Annotation.objects.create(
            item=item, annotator=person, state="answered", answer=answer,
            label=home.campaign.labels.get(key=answer["label"]),
            desk_annotation_id=10_000 + item.pk * 10 + person.pk, desk_updated_at="2026",
        )  # fmt: skip


def text_of(home: CampaignLanguage, number: int, **meta: str) -> Sample:
    told = {"campaign": home.campaign, "language": home.language, "meta": meta}
    return Sample(text=f"text {number}", digest=f"{number:064}", **told)


def rate(home: CampaignLanguage, *, texts: int, rng: np.random.Generator) -> np.ndarray:
    """Six people, one of whom is lenient and one strict, rate each text three times in all."""
    people = [make_annotator(f"p{n}") for n in range(6)]
    bias = np.array([0.9, -0.9, 0.1, -0.1, 0.0, 0.0])
    quality = rng.normal(size=texts)
    told = []
    for at in range(texts):
        sample = text_of(home, at, system="gen 2")
        for who in rng.choice(6, 3, replace=False):
            seen = 3 + 1.1 * quality[at] + bias[who] + rng.normal(scale=0.3)
            grade = int(np.clip(round(seen), 1, 5))
            given = {"coherence": grade, "style": grade, "idiom": 3, "culture": 3}
            told.append((sample, people[who], {"label": str(grade), "ratings": given}))
    say_all(home, told)
    return quality


def test_planted_qualities_and_severities_come_back_from_what_people_rated() -> None:
    home = home_of("ratings")
    quality = rate(home, texts=100, rng=np.random.default_rng(5))
    found = judgements.rated(home)
    assert [one.aspect for one in found] == ["overall", *ratings.ASPECTS]
    style = found[2]
    order = [one.pk for one in style.samples]
    assert order == sorted(order)
    assert spearmanr(style.fit.quality[:, 0], quality).statistic > 0.9
    severe = style.fit.severity
    assert severe[0, 2] < 0 < severe[1, 1]
    idiom = found[3]
    assert np.allclose(idiom.fit.quality[:, 0], 3, atol=0.5)


def test_the_page_and_the_file_show_grades_to_admins_and_to_nobody_else(client: Client) -> None:
    home = home_of("ratings")
    rate(home, texts=12, rng=np.random.default_rng(1))
    here = f"/campaigns/{home.campaign.slug}/judgements/wo/"
    client.force_login(make_user("lead", staff=True))
    page = client.get(here).content.decode()
    for name in ("Overall", "Coherence", "Culture", "P1", "gen 2"):
        assert name in page
    rows = list(
        csv.DictReader(
            io.StringIO(client.get(f"{here}judgements.csv").getvalue().decode("utf-8-sig"))
        )
    )
    assert len(rows) == 12 * 5
    assert all(
        1 <= float(row["low"]) <= float(row["grade"]) <= float(row["high"]) <= 5 for row in rows
    )
    assert {row["ratings"] for row in rows} == {"3"}
    assert "P1" not in str(rows)
    client.force_login(make_annotator("awa").user)
    assert client.get(here).status_code == 403
    client.force_login(make_user("noor", staff=True))
    other = CampaignLanguage.objects.get(campaign=make_campaign(languages=("qu",)))
    assert client.get(f"/campaigns/{other.campaign.slug}/judgements/qu/").status_code == 404


def test_a_known_grade_pulls_its_text_and_who_is_let_go_counts_no_more() -> None:
    home = home_of("ratings")
    awa, binta = make_annotator("awa"), make_annotator("binta")
    gold = make_gold(home.campaign, label="5").sample
    for sample in (gold, *(make_sample(home.campaign) for _ in range(4))):
        say(home, sample, awa, binta, label="3", ratings=dict.fromkeys(ratings.ASPECTS, 3))
    quality = judgements.rated(home)[0].fit.quality[:, 0]
    assert quality[0] > quality[1:].max() + 0.3
    binta.active = False
    binta.save()
    assert [one.people for one in judgements.rated(home)] == [[awa]] * 5


def compare(home: CampaignLanguage, *, number: int, rng: np.random.Generator) -> None:
    strength = {"a": 1.2, "b": 0.4, "c": -0.4, "d": -1.2}
    people = [make_annotator(f"p{n}") for n in range(5)]
    told = []
    for at in range(number):
        first, second = map(str, rng.choice([*strength], 2, replace=False))
        sample = text_of(home, at, first=first, second=second)
        win, loss, tie = np.exp([(eta := strength[first] - strength[second]) / 2, -eta / 2, -0.7])
        key = rng.choice(
            ["first", "second", "tie"], p=np.array([win, loss, tie]) / (win + loss + tie)
        )
        told.append((sample, people[rng.integers(0, 5)], {"label": str(key)}))
    say_all(home, told)


def test_planted_strengths_come_back_from_what_people_preferred(client: Client) -> None:
    home = home_of("preferences")
    compare(home, number=300, rng=np.random.default_rng(2))
    say(home, make_sample(home.campaign), Annotator.objects.first(), label="first")
    found = judgements.compared(home)
    assert [found.systems[at] for at in found.order] == ["a", "b", "c", "d"]
    planted = np.array([1.2, 0.4, -0.4, -1.2])
    assert (found.fit.strength[:, 1] < planted).all()
    assert (planted < found.fit.strength[:, 2]).all()
    assert (found.answers, found.unnamed, found.fit.raters) == (300, 1, 5)
    client.force_login(make_user("lead", staff=True))
    here = f"/campaigns/{home.campaign.slug}/judgements/wo/"
    assert "From 300 choices of 5 people" in client.get(here).content.decode()
    rows = csv.DictReader(
        io.StringIO(client.get(f"{here}judgements.csv").getvalue().decode("utf-8-sig"))
    )
    shares = {(row["system"], row["against"]): row["share"] for row in rows}
    assert float(shares["a", "d"]) > 0.7 > 0.3 > float(shares["d", "a"])


def test_what_cannot_be_reckoned_with_is_told_as_any_bad_input() -> None:
    home = home_of("preferences")
    sample = make_sample(home.campaign, meta={"first": "a", "second": "a"})
    say(home, sample, make_annotator("awa"), label="first")
    with pytest.raises(InvalidInputError, match=r"Row 0, second: .*Compare texts of two writers"):
        judgements.compared(home)
    with pytest.raises(ConflictError, match="kind ratings"):
        judgements.rated(home)


def test_nothing_judged_is_said_and_is_no_error(client: Client) -> None:
    client.force_login(make_user("lead", staff=True))
    for kind in ("ratings", "preferences"):
        slug = home_of(kind).campaign.slug
        page = client.get(f"/campaigns/{slug}/judgements/wo/").content.decode()
        assert "Nobody has judged anything" in page
        assert client.get(f"/campaigns/{slug}/judgements/wo/judgements.csv").status_code == 200
        desk = client.get(f"/campaigns/{slug}/languages/wo/").content.decode()
        assert f"/campaigns/{slug}/judgements/wo/" in desk
