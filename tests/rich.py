"""A campaign as it looks after four rounds in fourteen languages, for pages to be tried on."""

import random
from datetime import UTC, datetime, timedelta

from annotation.models import (
    Annotation,
    Campaign,
    CampaignLanguage,
    Guideline,
    Item,
    Language,
    QuarantinedAnswer,
    RefusedRow,
    Reliability,
    Sample,
    SampleImport,
    User,
)
from learning.models import (
    Allotment,
    Deployment,
    LanguageCalibration,
    ModelVersion,
    Pick,
    Round,
    Scoring,
    ScoringShard,
    SelectionGain,
    StopDecision,
    Temperature,
)
from tests.make import make_annotator, make_gold, make_sample
from training.models import (
    DataSnapshot,
    Evaluation,
    GateCheck,
    GateRun,
    TrainingRun,
)

LANGUAGES = (
    ("am", "Amharic", "አማርኛ", "Ethi", "ltr", "ሰላም ለዓለም"),
    ("ar", "Arabic", "العربية", "Arab", "rtl", "كلمة السر غير صحيحة"),
    ("bn", "Bengali", "বাংলা", "Beng", "ltr", "পাসওয়ার্ড ভুল"),
    ("ff-Adlm", "Fulah (Adlam)", "𞤆𞤵𞤤𞤢𞤪", "Adlm", "rtl", "𞤅𞤢𞤤𞤢𞥄𞤥"),
    ("he", "Hebrew", "עברית", "Hebr", "rtl", "הסיסמה שגויה"),
    ("hsb", "Upper Sorbian", "Hornjoserbšćina", "Latn", "ltr", "Hesło je wopačne"),
    ("ka", "Georgian", "ქართული", "Geor", "ltr", "პაროლი არასწორია"),
    ("kab", "Kabyle", "Taqbaylit", "Latn", "ltr", "Awal uffir d arameɣtu"),
    ("kk", "Kazakh", "Қазақ тілі", "Cyrl", "ltr", "Құпиясөз қате"),
    ("my", "Burmese", "မြန်မာဘာသာ", "Mymr", "ltr", "စကားဝှက် မှားနေသည်"),
    ("quy", "Ayacucho Quechua", "Chanka runasimi", "Latn", "ltr", "Pakasqa simi pantasqa"),
    ("ta", "Tamil", "தமிழ்", "Taml", "ltr", "கடவுச்சொல் தவறானது"),
    ("tzm", "Central Atlas Tamazight", "ⵜⴰⵎⴰⵣⵉⵖⵜ", "Tfng", "ltr", "ⴰⵡⴰⵍ ⵓⵖⴼⵉⵔ"),
    ("wo", "Wolof", "Wolof", "Latn", "ltr", "Baatu-jàll bi baaxul"),
)
VERDICTS = ("PASS", "HOLD", "BLOCK", "PASS")
EVIL = '<script>alert("x")</script><b>bold</b>'


def make_rich_campaign(*, slug: str = "messages", lead: User | None = None) -> Campaign:
    """Four closed rounds with gates, a fifth that collects, people, imports and quarantine."""
    return _Maker(slug, lead).make()


class _Maker:
    def __init__(self, slug: str, lead: User | None) -> None:
        self.rng = random.Random(7)  # noqa: S311 - wiggles on a chart, not a secret
        self.now = datetime.now(UTC)
        self.lead = lead
        self.campaign = Campaign.objects.create(
            slug=slug,
            title="What is this message about?",
            question="Which part of the software does this message belong to?",
            status=Campaign.Status.RUNNING,
            created_by=lead,
        )
        for position, key in enumerate(("admin", "accounts", "dates", "forms")):
            self.campaign.labels.create(key=key, name=key.title(), position=position)

    def make(self) -> Campaign:
        self.homes = [self._language(*row) for row in LANGUAGES]
        self.sample_import = self._import()
        self._people()
        versions = [self._version(1, None)]
        self._deploy(versions[0], Deployment.Kind.INITIAL)
        serving = versions[0]
        for number, verdict in enumerate(VERDICTS, 1):
            round_ = self._round(number, serving, Round.Status.CLOSED)
            candidate = self._version(number + 1, serving)
            versions.append(candidate)
            self._run(round_, serving, candidate, verdict)
            if verdict == "PASS":
                self._deploy(candidate, Deployment.Kind.PROMOTION)
                serving = candidate
        self._look_back(versions[-1])
        self._round(5, serving, Round.Status.COLLECTING)
        self._quarantine()
        return self.campaign

    def _language(
        self, tag: str, name: str, own: str, script: str, direction: str, text: str
    ) -> CampaignLanguage:
        language = Language.objects.update_or_create(
            tag=tag,
            defaults={"name": name, "autonym": own, "script": script, "direction": direction},
        )[0]
        home = CampaignLanguage.objects.create(campaign=self.campaign, language=language)
        for k in range(6):
            make_sample(self.campaign, tag, f"{text} {k}")
        for k in range(3):
            make_gold(self.campaign, tag, text=f"{text} gold {k}")
        if tag not in ("hsb", "kab"):
            Guideline.objects.create(
                campaign_language=home, version=1, text=f"{text}!", created_by=self.lead
            )
        return home

    def _import(self) -> SampleImport:
        row = SampleImport.objects.create(
            campaign=self.campaign,
            filename="messages-with-a-rather-long-name-2026-11-20-final.csv",
            path="x",
            format="csv",
            status=SampleImport.Status.DONE,
            rows_read=10_000,
            rows_kept=9_993,
            rows_refused=7,
            bytes_read=2_400_000,
            bytes_total=2_400_000,
            finished_at=self.now - timedelta(days=2),
            created_by=self.lead,
        )
        for k in range(7):
            RefusedRow.objects.create(
                sample_import=row,
                row=100 + k * 13,
                field="language",
                reason="The language tag tl-X is not one of this campaign.",
                excerpt=EVIL if k == 0 else "=SUM(A1:A9)" if k == 1 else "Baatu-jàll bi baaxul",
            )
        return row

    def _people(self) -> None:
        self.people = []
        for k, home in enumerate(self.homes[:12]):
            kind = "person" if k % 3 else "simulated"
            # They never sign in here, and hashing a password each would take seconds.
            number = None if k == 5 else k + 100_000
            User.objects.create(
                username=f"speaker{k}", name=f"Speaker {k + 1}", desk_user_id=number
            )
            person = make_annotator(f"speaker{k}", home.language.tag, kind=kind)
            self.people.append(person)
            skill = 0.95 - 0.06 * k
            Reliability.objects.create(
                campaign=self.campaign,
                annotator=person,
                confusion=[],
                competent=0.9,
                skill=skill,
                skill_low=skill - 0.1,
                skill_high=min(1.0, skill + 0.08),
                answers=30,
                gold_answers=6,
            )

    def _version(self, number: int, base: ModelVersion | None) -> ModelVersion:
        version = ModelVersion.objects.create(
            campaign=self.campaign,
            number=number,
            digest=f"{self.rng.getrandbits(256):064x}",
            network="starter",
            base=base,
            path=f"v{number}",
        )
        for k, home in enumerate(self.homes):
            value = 0.35 + 0.02 * k + 0.05 * number + self.rng.uniform(-0.02, 0.02)
            value = min(value, 0.97)
            Evaluation.objects.create(
                version=version,
                language=home.language,
                gold_digest="g",
                items=240 - 12 * k,
                accuracy=value,
                accuracy_low=value - 0.05 - 0.003 * k,
                accuracy_high=min(1.0, value + 0.05 + 0.003 * k),
                macro_f1=value - 0.03,
                answers={},
            )
            if number > 1:
                self._calibrate(version, home.language, promise=k != 7)
        return version

    def _calibrate(self, version: ModelVersion, language: Language, *, promise: bool) -> None:
        """Thresholds that keep their promise, or break it."""
        Temperature.objects.create(version=version, language=language, value=1.62, gold=60)
        LanguageCalibration.objects.create(
            version=version,
            language=language,
            gold=60,
            set_level=0.9,
            set_threshold=0.8,
            set_size=1.84,
            approximate=not promise,
            risk_target=0.05,
            answer_threshold=0.93 if promise else None,
            answered=0.41,
            checked=240,
            coverage=0.92 if promise else 0.71,
            coverage_low=0.88 if promise else 0.65,
            coverage_high=0.95 if promise else 0.77,
            risk=0.03,
            risk_low=0.01,
            risk_high=0.07,
            aurc=0.081,
        )

    def _deploy(self, version: ModelVersion, kind: str) -> None:
        Deployment.objects.create(
            campaign=self.campaign,
            number=self.campaign.deployments.count() + 1,
            version=version,
            kind=kind,
            reason="The gate passed." if kind == "promotion" else "First of the campaign.",
            actor=self.lead if kind == "initial" else None,
        )

    def _round(self, number: int, version: ModelVersion, status: str) -> Round:
        round_ = Round.objects.create(
            campaign=self.campaign,
            number=number,
            status=status,
            version=version,
            target=240,
            shortfall=3 if number == 2 else 0,
            closed_at=self.now if status == "closed" else None,
            mix={"margin": 0.25, "batch_bald": 0.75} if number == 1 else {},
        )
        if number == 1:
            round_.looks.create(kind="mc", passes=10, status="done", texts=840)
            round_.looks.create(kind="surprise", passes=1, status="failed", error="No masked head.")
        for rank, home in enumerate(self.homes, 1):
            Allotment.objects.create(
                round=round_,
                campaign_language=home,
                target=17.14,
                got=17,
                capped_by="pool" if rank == 4 else "",
                debt_after=0.14,
                pool=400 - 20 * rank,
            )
            self._pick(round_, home, rank=rank)
        if number == 5:
            scoring = Scoring.objects.create(
                campaign=self.campaign, version=version, samples_total=84
            )
            ScoringShard.objects.create(
                scoring=scoring, first_id=1, last_id=99, samples=84, status="done"
            )
        return round_

    def _pick(self, round_: Round, home: CampaignLanguage, *, rank: int) -> None:
        text = EVIL if rank == 1 and round_.number == 1 else ""
        sample: Sample = make_sample(
            self.campaign, home.language.tag, text or f"{LANGUAGES[rank - 1][5]} r{round_.number}"
        )
        answered = round_.status == "closed" or rank % 2 == 0
        item = Item.objects.create(
            campaign_language=home,
            sample=sample,
            kind="acquisition",
            state="answered" if answered else "pushed",
        )
        Pick.objects.create(
            round=round_,
            item=item,
            rank=1,
            slot="audit" if rank % 5 == 0 else "relabel" if rank == 3 else "weight",
            strategy="margin",
            nearest=None if rank % 2 else self.campaign.samples.filter(language=home.language)[0],
            nearest_distance=None if rank % 2 else 0.31,
            propensity=0.25,
            margin=0.02,
            rationale=f"{home.language.name} quota 1 of 17; torn between admin and dates.",
        )
        if answered and rank <= len(self.people):
            Annotation.objects.create(
                item=item,
                annotator=self.people[rank - 1],
                desk_annotation_id=item.pk + 10_000,
                state="answered",
                label=self.campaign.labels.first(),
                desk_updated_at="2026-11-20T00:00:00.000000Z",
            )

    def _run(
        self, round_: Round, base: ModelVersion, candidate: ModelVersion, verdict: str
    ) -> TrainingRun:
        snapshot = DataSnapshot.objects.create(
            campaign=self.campaign, digest=f"{round_.number:064x}", samples=900, fresh_samples=240
        )
        run = TrainingRun.objects.create(
            campaign=self.campaign,
            round=round_,
            snapshot=snapshot,
            base=base,
            candidate=candidate,
            status=TrainingRun.Status.FINISHED,
            seed=11,
            settings={"steps": 400, "learning_rate": 0.0003, "batch": 32, "replay": 0.5},
            step=400,
            steps_total=400,
            curve=[
                [s, 1.4 * 0.994**s + self.rng.uniform(0, 0.05), *self._tables(s)]
                for s in range(0, 401, 20)
            ],
            started_at=self.now - timedelta(hours=2),
            finished_at=self.now - timedelta(hours=1),
        )
        self._gate(run, base, candidate, verdict)
        return run

    def _tables(self, step: int) -> list[dict[str, float]]:
        """Metric, loss and share of each language at a step; Kabyle loses and is leaned towards."""
        tags = [row[0] for row in LANGUAGES]
        metric = {tag: 0.4 + k / 60 + step / 2500 for k, tag in enumerate(tags)}
        loss = {tag: (1.2 + k / 20) * 0.995**step for k, tag in enumerate(tags)}
        metric["kab"] = 0.6 - step / 2000
        heavy = {tag: 2.0 if tag == "kab" and step > 200 else 1.0 for tag in tags}
        return [metric, loss, {tag: heavy[tag] / sum(heavy.values()) for tag in tags}]

    def _gate(
        self, run: TrainingRun, base: ModelVersion, candidate: ModelVersion, verdict: str
    ) -> None:
        gate = GateRun.objects.create(
            run=run,
            candidate=candidate,
            champion=base,
            candidate_digest=candidate.digest,
            margin=0.03,
            verdict=verdict,
            reasons=[f"Kabyle: 12 mended, 4 broken of 156 ({verdict})."],
        )
        for k, home in enumerate(self.homes):
            bad = verdict in ("HOLD", "BLOCK") and k in (3, 7)
            delta = -0.041 if bad else 0.03 + 0.002 * k
            GateCheck.objects.create(
                gate=gate,
                language=home.language,
                items=240 - 12 * k,
                fixed=12,
                broken=4,
                delta=delta,
                delta_low=delta - 0.03,
                delta_high=delta + 0.03,
                harm_p=0.3,
                champion_z=2.1,
                anchor_z=None,
                items_missing=120 if bad and verdict == "HOLD" else 0,
                verdict=verdict if bad else "PASS",
            )

    def _look_back(self, candidate: ModelVersion) -> None:
        """Every answer there is: go on, may stop, nothing known; better, worse, too little."""
        round_ = self.campaign.rounds.get(number=4)
        guards = [
            {"name": "quality", "holds": False, "number": 0.061, "bound": 0.05},
            {"name": "gain", "holds": False, "number": None, "bound": 0.01},
            {"name": "drift", "holds": True, "number": 0.02, "bound": 0.0},
        ]
        for k, home in enumerate(self.homes[:-1]):
            StopDecision.objects.create(
                round=round_,
                campaign_language=home,
                version=candidate,
                verdict="stop" if k == 2 else "go_on",
                cause="learned" if k == 2 else "",
                labels=68 + k,
                gain=None if k == 3 else 0.012,
                gain_low=None if k == 3 else 0.001,
                gain_high=None if k == 3 else 0.031,
                guards=guards,
            )
            value = (0.03, -0.05, 0.01, None)[k % 4]
            SelectionGain.objects.create(
                round=round_,
                campaign_language=home,
                labels=24,
                gold=240,
                value=value,
                low=None if value is None else value - 0.02,
                high=None if value is None else value + 0.02,
                **({} if value is None else self._arms(k, value)),
            )

    def _arms(self, k: int, gain: float) -> dict[str, float]:
        """Accuracy with chosen and with random labels, of which the gain is the difference."""
        told = {"random": 0.5 + 0.02 * k, "chosen": 0.5 + 0.02 * k + gain}
        low = {f"{name}_low": value - 0.04 for name, value in told.items()}
        return told | low | {f"{name}_high": value + 0.04 for name, value in told.items()}

    def _quarantine(self) -> None:
        item = Item.objects.filter(campaign_language=self.homes[1]).first()
        for k in range(3):
            QuarantinedAnswer.objects.create(
                campaign_language=self.homes[1],
                item=item,
                desk_annotation_id=k,
                desk_updated_at=str(k),
                reason="unknown_label",
                detail="There is no label “adminn”.",
                payload={"result": [{"value": {"choices": ["adminn", EVIL]}}]},
            )
