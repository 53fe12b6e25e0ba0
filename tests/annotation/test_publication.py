"""Publication: only what each person agreed to publish, and only for as long."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from annotation.actions.consensus import refit
from annotation.actions.publication import write_publication
from annotation.errors import ConflictError, InvalidInputError
from annotation.models import Annotation, Annotator, Campaign, Consent, Source
from tests.annotation.test_consensus import answer
from tests.make import make_annotator, make_campaign, make_gold, make_sample, make_user

pytestmark = pytest.mark.django_db
NO_CONSENT = "Nobody's answers may be published."


@pytest.fixture
def campaign() -> Campaign:
    """Awa publishes all she gives and is named, Ibou his answers alone, Moussa nothing."""
    campaign = make_campaign(slug="mail", status="running", languages=("wo",))
    free = Source.objects.create(name="Free | texts", licence="CC-BY-SA-4.0")
    closed = Source.objects.create(name="A newspaper", licence="LicenseRef-Closed")
    texts = [make_sample(campaign, text=f"free {n}", source=free) for n in range(2)]
    texts.append(make_sample(campaign, text="closed", source=closed))
    people = [make_annotator(name) for name in ("awa", "ibou", "moussa")]
    consents = Consent.objects.standing()
    consents.filter(user=people[0].user).update(
        publish_labels=True, publish_text=True, name_me=True
    )
    consents.filter(user=people[1].user).update(publish_labels=True)
    for text in texts:
        for who in people:
            answer(text, who, "admin", note=f"{who.user.username} says")
    gold = make_gold(campaign, "wo", "admin", text="of gold").sample
    answer(gold, people[0], "admin")
    gone = make_sample(campaign, text="taken back", source=free)
    answer(gone, people[0], "admin")
    gone.withdrawn_at = timezone.now()
    gone.save()
    return campaign


def publish(campaign: Campaign, place: Path, **over: Any) -> tuple[dict[str, Any], list[Any], str]:
    told: dict[str, Any] = {"licence": "CC-BY-4.0", "now": timezone.now()} | over
    folder = place / f"out{len(list(place.iterdir()))}"
    card = write_publication(campaign, folder=folder, **told)
    lines = (folder / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert json.loads((folder / "card.json").read_text(encoding="utf-8")) == card
    return card, [json.loads(line) for line in lines], readme


def test_only_what_people_agreed_to_publish_goes_out_and_without_their_names(
    campaign: Campaign, tmp_path: Path
) -> None:
    card, rows, readme = publish(campaign, tmp_path)
    assert len(rows) == 6
    assert {row["label"] for row in rows} == {"admin"}
    texts = sorted((row.get("text", ""), row.get("licence", "")) for row in rows)
    assert (
        texts
        == [("", "")] * 2 + [("free 0", "CC-BY-SA-4.0")] * 2 + [("free 1", "CC-BY-SA-4.0")] * 2
    )
    assert len({row["sha256"] for row in rows}) == 3
    # A note may quote: of a text that stays here it stays as well.
    assert [row["note"] for row in rows if "note" in row] == ["awa says"] * 2
    assert {row["person"] for row in rows} == {"p1", "p2"}
    whole = json.dumps(rows) + readme
    assert all(
        word not in whole for word in ("ibou", "Ibou", "oussa", "of gold", "closed", 'taken back"')
    )
    assert card["thanks"] == ["Awa"]
    assert card["left_out"] == {
        "not_agreed": 3, "known_answer": 1, "text_taken_back": 1, "written": 0,
    }  # fmt: skip
    wolof = card["languages"]["wo"]
    assert (wolof["texts"], wolof["texts_shown"], wolof["answers"], wolof["people"]) == (3, 2, 6, 2)
    assert "| Free \\| texts | CC-BY-SA-4.0 | 2 | yes |" in readme
    assert "not enough" in readme


def test_consent_that_is_taken_back_is_in_no_later_publication(
    campaign: Campaign, tmp_path: Path
) -> None:
    publish(campaign, tmp_path)
    Consent.objects.standing().filter(user__username="awa").update(publish_text=False)
    assert not [row for row in publish(campaign, tmp_path)[1] if "note" in row]
    Consent.objects.standing().filter(user__username="awa").update(ended_at=timezone.now())
    card, rows, _ = publish(campaign, tmp_path)
    assert (len(rows), card["thanks"]) == (3, [])
    Annotation.objects.filter(annotator__user__username="ibou").update(state="withdrawn")
    with pytest.raises(ConflictError, match="Nobody"):
        publish(campaign, tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def test_words_that_stand_in_an_answer_go_out_only_from_who_publishes_words(
    campaign: Campaign, tmp_path: Path
) -> None:
    for one in Annotation.objects.filter(item__sample__text="free 0"):
        one.answer = {"label": "admin", "better": "a text of their own"}
        one.save()
    card, rows, _ = publish(campaign, tmp_path)
    assert [row["better"] for row in rows if "better" in row] == ["a text of their own"]
    assert (len(rows), card["left_out"]["written"]) == (5, 1)


def test_agreement_is_of_those_whose_answers_go_out(campaign: Campaign, tmp_path: Path) -> None:
    awa, ibou, moussa = Annotator.objects.order_by("pk")
    for number in range(40):
        sample = make_sample(campaign, text=f"more {number}")
        answer(sample, awa, ("admin", "dates")[number % 2])
        answer(sample, ibou, ("admin", "dates")[number % 2])
        answer(sample, moussa, "accounts")
    card, _, readme = publish(campaign, tmp_path, also=["LicenseRef-Closed"])
    found = card["languages"]["wo"]["agreement"]
    assert (found["double"], found["alpha"][0]) == (43, 1.0)
    assert "| A newspaper | LicenseRef-Closed | 1 | yes |" in readme


def test_the_command_and_the_page_give_the_same_and_the_page_says_what_stays(
    campaign: Campaign, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("publish_answers", "mail", str(tmp_path / "out"), licence="CC-BY-4.0")
    assert "wo: 6 answers of 2 people on 3 texts, 2 of them shown." in capsys.readouterr().out
    client = Client()
    client.force_login(make_user("noor", staff=True))
    page = client.get("/campaigns/mail/publication/").content.decode()
    assert "Answers whose people did not agree" in page
    asked = client.post("/campaigns/mail/publication/", {"licence": "CC-BY-4.0"})
    with zipfile.ZipFile(io.BytesIO(b"".join(asked.streaming_content))) as archive:
        assert set(archive.namelist()) >= {
            f"mail-answers/{name}" for name in ("answers.jsonl", "card.json", "README.md")
        }
        assert len(archive.read("mail-answers/answers.jsonl").splitlines()) == 6
    with pytest.raises(CommandError) as refused:
        call_command("publish_answers", "mail", str(tmp_path / "out"), licence="CC-BY-4.0")
    assert str(refused.value).count("Name a folder") == 1
    refusal = client.post("/campaigns/mail/publication/", {"licence": "-\n-"})
    assert refusal.status_code == 422
    assert refusal.content.decode().count("Give an SPDX identifier") == 1
    Consent.objects.update(publish_labels=False)
    assert NO_CONSENT in client.get("/campaigns/mail/publication/").content.decode().replace(
        "&#x27;", "'"
    )
    with pytest.raises(InvalidInputError):
        write_publication(campaign, folder=tmp_path / "no", licence="", now=timezone.now())


def test_who_leads_takes_home_what_people_agree_on_and_nobody_else_does(
    campaign: Campaign, client: Client
) -> None:
    refit(campaign, language=campaign.languages.get().language, now=timezone.now())
    address = f"/campaigns/{campaign.slug}/publication/agreed/"
    client.force_login(make_user("noor", staff=True))
    page = client.get(f"/campaigns/{campaign.slug}/publication/").content.decode()
    assert f'href="{address}jsonl/"' in page
    told = b"".join(client.get(f"{address}jsonl/")).decode()
    # For the team itself a licence keeps nothing back; gold and what was taken back stay.
    assert sorted(json.loads(line)["text"] for line in told.splitlines()) == [
        "closed",
        "free 0",
        "free 1",
    ]
    packed = zipfile.ZipFile(io.BytesIO(b"".join(client.get(f"{address}datasets/"))))
    assert "mail-agreed/data/wo/train-00000-of-00001.parquet" in packed.namelist()
    assert client.get(f"{address}docx/").status_code == 404
    client.force_login(make_user("lee"))
    assert client.get(f"{address}jsonl/").status_code == 403
