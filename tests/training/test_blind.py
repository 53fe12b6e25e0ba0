"""A generator against the champion: asked blindly, judged by people in each language, or not at all."""

import io
import json
from io import StringIO
from pathlib import Path

import polib
import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from annotation.actions.keys import create_key
from annotation.methods.readers import Wanted, read_rows
from annotation.methods.texts import parts_of
from annotation.models import Annotation, Annotator, Campaign, Consent, Item, Membership, Sample
from annotation.objectives import ratings
from tests.make import (
    make_annotator,
    make_campaign,
    make_gold,
    make_item,
    make_language,
    make_sample,
    make_user,
)
from training.actions.blind import judge_generators
from training.actions.corrections import corrections_of, preferences_of

pytestmark = pytest.mark.django_db


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def outputs(path: Path, system: str, *, prompts: int, tags: tuple[str, ...] = ("wo", "qu")) -> str:
    rows = [
        {"language": tag, "source": f"prompt {n}", "output": f"{system} says {n} in {tag}"}
        for tag in tags
        for n in range(prompts)
    ]
    return f"{system}={write(path / f'{system}.jsonl', rows)}"


def run(name: str, *told: str) -> str:
    said = StringIO()
    call_command(name, *told, stdout=said)
    return said.getvalue()


def compare(path: Path, *, prompts: int = 60) -> Campaign:
    for tag in ("wo", "qu"):
        make_language(tag)
    both = {"candidate": "new", "champion": "old"}
    files = [f"--{side}={outputs(path, name, prompts=prompts)}" for side, name in both.items()]
    run("compare_generators", "blind", *files, "--licence=CC0-1.0")
    return Campaign.objects.get(slug="blind")


def choose(campaign: Campaign, tag: str, *, wins: float, number: int, raters: int = 5) -> None:
    """Have raters prefer the candidate in so many cases, whichever side it stands on."""
    home = campaign.languages.get(language__tag=tag)
    people = [make_annotator(f"{tag}-{raters}-{n}", tag) for n in range(raters)]
    samples = list(
        Sample.objects.filter(campaign=campaign, language__tag=tag).order_by("pk")[:number]
    )
    items = Item.objects.bulk_create(
        Item(campaign_language=home, sample=one, kind="acquisition") for one in samples
    )
    labels = {one.key: one for one in campaign.labels.all()}
    Annotation.objects.bulk_create(
        Annotation(
            item=item, annotator=people[at % raters], state="answered", desk_updated_at="2026",
            label=labels["first" if (item.sample.meta["first"] == "new") == (at < wins * number) else "second"],
            desk_annotation_id=item.pk,
        )
        for at, item in enumerate(items)
    )  # fmt: skip


def judge(*told: str) -> str:
    said = StringIO()
    try:
        call_command(
            "judge_generators", "blind", "--candidate=new", "--champion=old", *told, stdout=said
        )
    except CommandError as error:
        return said.getvalue() + f"refused: {error}"
    return said.getvalue()


def test_pairs_are_asked_blindly_with_sides_drawn_by_lot(tmp_path: Path) -> None:
    campaign = compare(tmp_path)
    samples = Sample.objects.filter(campaign=campaign)
    assert samples.count() == 120
    assert (campaign.strategy, campaign.gold_share) == ("random", 0)
    first = sum(one.meta["first"] == "new" for one in samples)
    assert 35 < first < 85
    for one in samples[:20]:
        shown, other, source = parts_of(one.text)
        assert shown.startswith(one.meta["first"])
        assert other.startswith(one.meta["second"])
        assert source.startswith("prompt")
        assert "new" not in str(one.source)


def test_without_people_nothing_passes_whatever_a_metric_would_say(tmp_path: Path) -> None:
    campaign = compare(tmp_path, prompts=4)
    told = judge()
    assert "wo: VOID. Nobody has compared" in told
    assert "refused: 'new' does not pass in every language" in told
    choose(campaign, "wo", wins=1.0, number=4, raters=1)
    assert "it takes 2 raters or more" in judge()


def test_it_passes_only_where_every_language_lets_it(tmp_path: Path) -> None:
    campaign = compare(tmp_path)
    choose(campaign, "wo", wins=0.8, number=60)
    choose(campaign, "qu", wins=0.2, number=60)
    rows = [json.loads(line) for line in judge("--json").splitlines()[:2]]
    found = {row["language"]: row for row in rows}
    assert (found["wo"]["verdict"], found["qu"]["verdict"]) == ("PASS", "BLOCK")
    assert found["wo"]["low"] > 0.45 > found["qu"]["high"]
    assert "refused" in judge()
    Annotation.objects.filter(item__campaign_language__language__tag="qu").delete()
    Item.objects.filter(campaign_language__language__tag="qu").delete()
    choose(campaign, "qu", wins=0.75, number=60, raters=4)
    assert "'new' passes in every language." in judge()


def test_admins_see_the_verdict_and_what_was_asked_wrongly(client: Client, tmp_path: Path) -> None:
    campaign = compare(tmp_path, prompts=30)
    choose(campaign, "wo", wins=0.9, number=30)
    client.force_login(make_user("lead", staff=True))
    here = "/campaigns/blind/blind/"
    assert "Whether what a candidate writes" in client.get(here).content.decode()
    page = client.get(here, {"candidate": "new", "champion": "old"}).content.decode()
    assert "PASS" in page
    assert "VOID" in page
    assert "does not pass" in page
    same = client.get(here, {"candidate": "new", "champion": "new"})
    assert (same.status_code, "does not compare" in same.content.decode()) == (422, True)
    other = make_campaign(languages=("wo",))
    assert client.get(f"/campaigns/{other.slug}/blind/").status_code == 404


def test_harm_counts_once_it_is_left_over_all_languages(tmp_path: Path) -> None:
    campaign = compare(tmp_path)
    choose(campaign, "wo", wins=0.5, number=60)
    choose(campaign, "qu", wins=23 / 60, number=60)
    both = {
        one.home.language.tag: one
        for one in judge_generators(campaign, candidate="new", champion="old")
    }
    assert both["qu"].judged.harm_p < 0.05 < both["qu"].harm_p
    assert both["qu"].verdict == "HOLD"
    assert "may be chance" in both["qu"].judged.finding.sentence


def test_what_a_network_chose_is_no_fair_sample(tmp_path: Path) -> None:
    campaign = compare(tmp_path)
    choose(campaign, "wo", wins=1.0, number=40)
    Campaign.objects.update(strategy="margin")
    campaign.refresh_from_db()
    Item.objects.filter(pk__in=Item.objects.values("pk")[:10]).update(kind="audit")
    found = {
        one.home.language.tag: one.choices
        for one in judge_generators(campaign, candidate="new", champion="old")
    }
    assert found == {"wo": 10, "qu": 0}


def test_prompts_that_taught_and_outputs_alike_are_left_out_and_bad_rows_refused(
    tmp_path: Path,
) -> None:
    taught = make_campaign(objective="ratings", labels=tuple(ratings.LABELS), languages=("wo",))
    rate(taught, "Old\x04Say it", "Better")
    rows = [
        {"language": "wo", "source": source, "output": "x"}
        for source in ("Say  it", "same", "one", "two")
    ]
    other = [row | {"output": "x" if row["source"] == "same" else "y"} for row in rows[:3]]
    files = (write(tmp_path / "a.jsonl", rows), write(tmp_path / "b.jsonl", other))
    told = run(
        "compare_generators",
        "s",
        f"--candidate=a={files[0]}",
        f"--champion=b={files[1]}",
        "--licence=CC0-1.0",
    )
    assert "with 1 pairs" in told
    assert "1 with equal outputs, 1 that only one of them wrote for, 1 whose better outputs" in told
    bad = write(tmp_path / "c.jsonl", [{"language": "wo", "source": "one", "output": "a\0b"}])
    with pytest.raises(CommandError, match=r"c\.jsonl, row 1, output: holds a NUL character"):
        run(
            "compare_generators",
            "t",
            f"--candidate=a={bad}",
            f"--champion=b={files[1]}",
            "--licence=CC0-1.0",
        )
    with pytest.raises(CommandError, match="does not compare 'a' with 'z'"):
        call_command("judge_generators", "s", "--candidate=a", "--champion=z")


def rate(
    campaign: Campaign, text: str, corrected: str = "", name: str = "awa", **over
) -> Annotation:
    known = Annotator.objects.filter(user__username=name).first()
    person = known or make_annotator(name)
    item = make_item(make_sample(campaign, text=text, **over))
    more = {"corrected": corrected} if corrected else {}
    return Annotation.objects.create(
        item=item, annotator=person, state="answered", label=campaign.labels.get(key="2"),
        answer={"label": "2", "ratings": dict.fromkeys(ratings.ASPECTS, 2), "issues": ["unsafe"], **more},
        desk_annotation_id=item.pk, desk_updated_at="2026",
    )  # fmt: skip


def test_corrections_are_given_out_with_consent_and_never_of_gold(tmp_path: Path) -> None:
    campaign = make_campaign(objective="ratings", labels=tuple(ratings.LABELS), languages=("wo",))
    rate(campaign, "Naka nga\x04How are you?", "Na nga def?", meta={"system": "gen 1"})
    rate(campaign, "Waaw", "")
    rate(campaign, "Jerejef", "Jërëjëf", name="binta")
    gone = rate(campaign, "Ba beneen", "Ba beneen yoon")
    Annotation.objects.filter(pk=gone.pk).update(state="withdrawn", label=None, answer={})
    make_gold(campaign, label="5", text="Gold says this very sentence here\x04Source of the gold")
    rate(campaign, "Gold says this very sentence here\x04Another source", "Better gold")
    assert {one.corrected for one in corrections_of(campaign)} == {"Na nga def?", "Jërëjëf"}
    binta = Consent.objects.filter(user__username="binta")
    binta.update(ended_at=timezone.now())
    told = run("export_corrections", campaign.slug, str(tmp_path / "c.jsonl"))
    assert told.startswith("1 corrections are in")
    [row] = [json.loads(line) for line in (tmp_path / "c.jsonl").read_text().splitlines()]
    assert (row["source"], row["output"], row["corrected"]) == (
        "How are you?",
        "Naka nga",
        "Na nga def?",
    )
    assert (row["language"], row["grade"], row["issues"], row["system"]) == (
        "wo",
        2,
        ["unsafe"],
        "gen 1",
    )
    assert "awa" not in str(row).lower()
    with pytest.raises(CommandError, match="Cannot write"):
        run("export_corrections", campaign.slug, str(tmp_path / "c.jsonl"))


def test_corrections_leave_as_po_and_come_in_again(tmp_path: Path) -> None:
    campaign = make_campaign(objective="ratings", labels=tuple(ratings.LABELS), languages=("wo",))
    said = 'Na nga\ndef? "x" \\n \u2028 #, fuzzy'
    rate(campaign, "Naka\u2028\nmsgid nga\x04How are you?\nWell?", said)
    rate(campaign, "Other\x04How are you?\nWell?", "Naka wa kër ga?", name="binta")
    rate(campaign, "Without a source", "Amul cosaan")
    lead = make_user("lead")
    Membership.objects.create(user=lead, campaign=campaign, role="admin")
    key = create_key(lead, name="x", scopes=["export"])[1]
    place = f"/api/v1/campaigns/{campaign.slug}/languages/wo/corrections"
    program = Client(headers={"Authorization": f"Bearer {key}"})
    answer = program.get(place)
    assert answer["Content-Disposition"].endswith('-wo.po"')
    whole = b"".join(answer)
    rows = list(read_rows(io.BytesIO(whole), format="po", wanted=Wanted()))
    assert [(row.values["text"], row.values["language"]) for row in rows] == [
        (said, "wo"), ("Naka wa kër ga?", "wo"), ("Amul cosaan", "wo"),
    ]  # fmt: skip
    messages = [row.values["meta"]["msgid"] for row in rows]
    assert messages == ["How are you?\nWell?", "How are you?\nWell?", "Without a source"]
    assert len({row.values["id"] for row in rows}) == 3
    polib.pofile(whole.decode(), check_for_duplicates=True)
    lines = b"".join(program.get(f"{place}?format=jsonl"))
    assert [json.loads(one)["corrected"] for one in lines.splitlines()][1:] == [
        "Naka wa kër ga?",
        "Amul cosaan",
    ]
    assert program.get(f"{place}?format=docx").status_code == 422


def test_preferences_are_shares_of_those_who_chose(tmp_path: Path) -> None:
    campaign = compare(tmp_path, prompts=2)
    choose(campaign, "wo", wins=1.0, number=2)
    Annotation.objects.filter(
        item__sample=Sample.objects.filter(language__tag="wo").order_by("pk")[0]
    ).update(label=campaign.labels.get(key="tie"))
    tied, told = preferences_of(campaign)
    assert (tied.share, len(tied.given)) == (0.5, 1)
    assert told.share == (1.0 if told.sample.meta["first"] == "new" else 0.0)
    assert told.source == "prompt 1"
    assert run("export_corrections", "blind", str(tmp_path / "p.jsonl")).startswith("2 preferences")
    rows = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert rows[0]["share"] == 0.5
    assert (rows[1]["language"], rows[1]["first"]) == ("wo", told.first)
