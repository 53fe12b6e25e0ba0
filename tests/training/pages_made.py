"""Campaigns as the pages of languages want them: full ones, and one of two hundred languages."""

import random
from datetime import UTC, datetime
from hashlib import sha256

from annotation.models import (
    Annotation,
    Annotator,
    Campaign,
    CampaignLanguage,
    Consent,
    GoldItem,
    Item,
    Language,
    Sample,
    User,
)
from learning.models import Deployment, LanguageCalibration, ModelVersion
from training.models import Evaluation, LanguageFigures, PublicPage, Slice

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SPOKEN = [
    "am",
    "ar",
    "as",
    "ay",
    "az",
    "be",
    "bm",
    "bn",
    "ee",
    "ff",
    "gn",
    "gu",
    "ha",
    "ht",
    "ig",
    "kk",
    "km",
    "kn",
    "ks",
    "ku",
    "ky",
    "ln",
    "lo",
    "mg",
    "ml",
    "mr",
    "ne",
    "ny",
    "om",
    "or",
    "pa",
    "ps",
    "qu",
    "rn",
    "rw",
    "sd",
    "si",
    "sn",
    "so",
    "sw",
]
LANDS = ("ML", "NG", "KE", "IN", "PE")
SCRIPTS = ("Latn", "Arab", "Cyrl", "Ethi", "Deva")


def dress(campaign: Campaign) -> None:
    """Give what serves figures in every language, days between its moves, and names to two people."""
    dice = random.Random(5)  # noqa: S311 - made-up figures
    moves = list(campaign.deployments.order_by("number"))
    serving = moves[-1].version
    for k, home in enumerate(campaign.languages.select_related("language")):
        LanguageFigures.objects.create(
            version=serving,
            language=home.language,
            taken_at=NOW,
            slices=[
                {
                    "kind": "dialect",
                    "name": "Lebu",
                    "items": 44,
                    "value": 0.58,
                    "low": 0.44,
                    "high": 0.71,
                },
            ]
            if k % 2 == 1
            else [],
            **figures(dice, poor=k / 14, ece=k % 3 != 2),
        )
    arabic = Language.objects.get(tag="ar")
    for kind, value in (("switched", 0.49), ("no_marks", 0.55), ("romanised", 0.31)):
        Slice.objects.create(
            version=serving,
            language=arabic,
            kind=kind,
            gold_digest="g",
            items=71,
            accuracy=value,
            accuracy_low=value - 0.1,
            accuracy_high=value + 0.1,
        )
    for person in Annotator.objects.filter(language__campaigns__campaign=campaign)[:5]:
        User.objects.filter(pk=person.user_id).update(name=f"Person {person.pk}")
        Consent.objects.filter(user=person.user).update(name_me=True)


def figures(dice: random.Random, *, poor: float, ece: bool = True) -> dict[str, float | int | None]:
    """Figures of a language; the poorer, the finer it is cut."""
    error, gain = 0.02 + 0.05 * poor, 0.06 + dice.uniform(-0.02, 0.03)
    premium = 1.0 + 2.6 * poor
    return {
        "ece": error if ece else None,
        "ece_low": error / 2 if ece else None,
        "ece_high": 1.6 * error if ece else None,
        "ece_items": 260 if ece else 0,
        "gain": gain,
        "gain_low": gain - 0.03,
        "gain_high": gain + 0.03,
        "gain_items": 260,
        "tokens_per_word": 1.3 + poor,
        "whole_words": 0.74 - 0.6 * poor,
        "words": 3000,
        "premium": premium,
        "premium_low": premium * 0.96,
        "premium_high": premium * 1.04,
        "parallel": 300,
    }


def many(languages: int = 200, *, slug: str = "many", public: bool = True) -> Campaign:
    """A campaign of many languages with four versions that served; every fiftieth falls behind."""
    return _Many(languages, slug, public).make()


class _Many:
    """Written in bulk: a test that waits for two hundred rows one by one waits for long."""

    def __init__(self, languages: int, slug: str, public: bool) -> None:
        self.dice = random.Random(11)  # noqa: S311 - wiggles on a chart
        self.languages, self.public = languages, public
        self.campaign = Campaign.objects.create(
            slug=slug, title="Two hundred languages", question="Which mood?", status="running"
        )
        self.campaign.labels.create(key="good", name="Good", position=0)
        self.campaign.labels.create(key="bad", name="Bad", position=1)

    def make(self) -> Campaign:
        spoken = [
            Language(
                tag=f"{SPOKEN[k % 40]}-{LANDS[k // 40]}",
                name=f"Language {k:03d}",
                autonym=f"Làmmiñ {k:03d}" if k % 3 else "",
                script=SCRIPTS[k % 5],
                direction="rtl" if k % 5 == 1 else "ltr",
            )
            for k in range(self.languages)
        ]
        Language.objects.bulk_create(spoken, ignore_conflicts=True)
        known = {one.tag: one for one in Language.objects.all()}
        spoken = [known[one.tag] for one in spoken]
        self.homes = [CampaignLanguage(campaign=self.campaign, language=one) for one in spoken]
        CampaignLanguage.objects.bulk_create(self.homes)
        for number in range(1, 5):
            self._version(number)
        self._answers()
        if self.public:
            PublicPage.objects.create(campaign=self.campaign, shown=True)
        return self.campaign

    def _version(self, number: int) -> None:
        version = ModelVersion.objects.create(
            campaign=self.campaign,
            number=number,
            digest=sha256(f"{self.campaign.slug}{number}".encode()).hexdigest(),
            network="starter",
            path=f"v{number}",
        )
        Deployment.objects.create(
            campaign=self.campaign, number=number, version=version, kind="promotion"
        )
        rows = []
        for k, home in enumerate(self.homes):
            value = (
                0.5 + 0.4 * k / len(self.homes) + 0.015 * number + self.dice.uniform(-0.01, 0.01)
            )
            if k % 50 == 25 and number > 2:
                value -= 0.25
            rows.append(
                Evaluation(
                    version=version,
                    language=home.language,
                    gold_digest="g",
                    items=300,
                    accuracy=value,
                    accuracy_low=value - 0.05,
                    accuracy_high=min(1.0, value + 0.05),
                    answers={},
                )
            )
        Evaluation.objects.bulk_create(rows)
        if number == 4:
            self._figures(version)

    def _figures(self, version: ModelVersion) -> None:
        size = len(self.homes)
        LanguageFigures.objects.bulk_create(
            LanguageFigures(
                version=version,
                language=home.language,
                taken_at=NOW,
                **figures(self.dice, poor=1 - k / size),
            )
            for k, home in enumerate(self.homes)
        )
        LanguageCalibration.objects.bulk_create(
            LanguageCalibration(
                version=version,
                language=home.language,
                gold=60,
                set_level=0.9,
                set_threshold=0.8,
                set_size=1.2 + (size - k) / size,
                approximate=False,
                risk_target=0.05,
            )
            for k, home in enumerate(self.homes)
        )

    def _answers(self) -> None:
        """Six people answer one text each in every language; each language has one gold text."""
        homes = self.homes
        texts = [
            Sample(
                campaign=self.campaign,
                language=home.language,
                text=f"text {n} of {home.language.tag}",
                digest=sha256(f"{self.campaign.slug}{home.language.tag}{n}".encode()).hexdigest(),
            )
            for home in homes
            for n in range(2)
        ]
        Sample.objects.bulk_create(texts)
        label = self.campaign.labels.first()
        GoldItem.objects.bulk_create(
            GoldItem(sample=sample, label=label, split="gate") for sample in texts[1::2]
        )
        items = [
            Item(campaign_language=home, sample=sample, kind="acquisition", state="answered")
            for home, sample in zip(homes, texts[::2], strict=True)
        ]
        Item.objects.bulk_create(items)
        slug = self.campaign.slug
        users = [User(username=f"{slug}-{k}") for k in range(6 * len(homes))]
        User.objects.bulk_create(users)
        people = [
            Annotator(user=user, language=homes[k // 6].language) for k, user in enumerate(users)
        ]
        Annotator.objects.bulk_create(people)
        first = Annotation.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        Annotation.objects.bulk_create(
            Annotation(
                item=items[k // 6],
                annotator=person,
                desk_annotation_id=900_000 + first + k,
                state="answered",
                label=label,
                lead_seconds=40,
                desk_updated_at="2026-11-20T00:00:00.000000Z",
            )
            for k, person in enumerate(people)
        )
