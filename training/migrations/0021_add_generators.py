import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

KEPT = "what is told of generators is append-only: none is ever changed or removed"
MOVES = "learning_generatordeployment"
# Whatever an ``INSERT OR REPLACE`` would quietly remove a row for.
TABLES = {
    MOVES: ("id = NEW.id", "campaign_id = NEW.campaign_id AND number = NEW.number"),
    "training_blindverdict": (
        "id = NEW.id",
        "comparison_id = NEW.comparison_id AND look = NEW.look",
    ),
    "training_blindcheck": (
        "id = NEW.id",
        "verdict_of_id = NEW.verdict_of_id AND language_id = NEW.language_id",
    ),
}
UNPASSED = "no generator is promoted that people did not pass in every language"
UNSERVED = "no generator is gone back to that never served"
SECOND = "only the first generator of a campaign serves without having been compared"
LET_IN = (
    (
        "passed",
        UNPASSED,
        """NEW.kind = 'promotion' AND NOT EXISTS (
    SELECT 1 FROM training_blindverdict v JOIN training_blindcomparison c ON c.id = v.comparison_id
    WHERE c.candidate_id = NEW.version_id AND c.home_id = NEW.campaign_id AND v.verdict = 'PASS'
        AND EXISTS (SELECT 1 FROM training_blindcheck k WHERE k.verdict_of_id = v.id)
        AND NOT EXISTS (SELECT 1 FROM training_blindcheck k
            WHERE k.verdict_of_id = v.id AND k.verdict <> 'PASS'))""",
    ),
    (
        "served",
        UNSERVED,
        f"""NEW.kind = 'rollback' AND NOT EXISTS (SELECT 1 FROM {MOVES} d
    WHERE d.version_id = NEW.version_id AND d.campaign_id = NEW.campaign_id)""",
    ),
    (
        "first",
        SECOND,
        f"""NEW.kind = 'initial' AND EXISTS (SELECT 1 FROM {MOVES} d
    WHERE d.campaign_id = NEW.campaign_id)""",
    ),
)


def guard(apps, schema_editor):
    """Have the database itself keep history, and ask for people's verdict, whoever writes the row.

    SQLite loses triggers with the table when a later migration makes it anew; a test notices.
    """
    run = schema_editor.execute
    if schema_editor.connection.vendor == "postgresql":
        run(
            "CREATE OR REPLACE FUNCTION training_generators_kept() RETURNS trigger AS $$ BEGIN"
            f" RAISE EXCEPTION '{KEPT}' USING ERRCODE = 'integrity_constraint_violation';"
            " END $$ LANGUAGE plpgsql"
        )
        for table in TABLES:
            does = "EXECUTE FUNCTION training_generators_kept()"
            run(
                f"CREATE TRIGGER {table}_kept BEFORE UPDATE OR DELETE ON {table}"
                f" FOR EACH ROW {does}"
            )
            run(
                f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}"
                f" FOR EACH STATEMENT {does}"
            )
        for name, words, test in LET_IN:
            run(
                f"CREATE OR REPLACE FUNCTION training_generator_{name}() RETURNS trigger AS $$ BEGIN"
                f" IF {test} THEN RAISE EXCEPTION '{words}'"
                " USING ERRCODE = 'integrity_constraint_violation'; END IF; RETURN NEW; END $$"
                " LANGUAGE plpgsql"
            )
            run(
                f"CREATE TRIGGER generator_{name} BEFORE INSERT ON {MOVES}"
                f" FOR EACH ROW EXECUTE FUNCTION training_generator_{name}()"
            )
        return
    for table, keys in TABLES.items():
        for verb in ("UPDATE", "DELETE"):
            run(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{KEPT}'); END"
            )
        there = " OR ".join(f"({key})" for key in keys)
        run(
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table}"
            f" WHEN EXISTS (SELECT 1 FROM {table} WHERE {there})"
            f" BEGIN SELECT RAISE(ABORT, '{KEPT}'); END"
        )
    for name, words, test in LET_IN:
        run(
            f"CREATE TRIGGER generator_{name} BEFORE INSERT ON {MOVES} WHEN {test}"
            f" BEGIN SELECT RAISE(ABORT, '{words}'); END"
        )


def let_go(apps, schema_editor):
    """Take the triggers away again."""
    run = schema_editor.execute
    if schema_editor.connection.vendor == "postgresql":
        for name in ("generators_kept", *(f"generator_{one}" for one, _, _ in LET_IN)):
            run(f"DROP FUNCTION training_{name}() CASCADE")
        return
    for table in TABLES:
        for what in ("no_update", "no_delete", "no_replace"):
            run(f"DROP TRIGGER {table}_{what}")
    for name, _, _ in LET_IN:
        run(f"DROP TRIGGER generator_{name}")


class Migration(migrations.Migration):
    dependencies = [
        ("annotation", "0033_budget_words"),
        ("learning", "0016_add_generators"),
        ("training", "0020_add_slices"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="BlindComparison",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "margin",
                    models.FloatField(
                        help_text="How far below a half the share of preferences may lie."
                    ),
                ),
                (
                    "prompts",
                    models.JSONField(default=list, help_text="Language and source of each."),
                ),
                (
                    "settings",
                    models.JSONField(default=dict, help_text="Of the campaign that is to ask."),
                ),
                (
                    "metrics",
                    models.JSONField(
                        default=dict,
                        help_text="Change of chrF by language with its interval; decides nothing.",
                    ),
                ),
                ("asked_at", models.DateTimeField(auto_now_add=True)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                (
                    "finished_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="Since when both have written, or it was given up.",
                        null=True,
                    ),
                ),
                ("error", models.TextField(blank=True)),
                (
                    "asked_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "campaign",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="blind_comparison",
                        to="annotation.campaign",
                    ),
                ),
                (
                    "candidate",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="comparisons_as_candidate",
                        to="learning.generatorversion",
                    ),
                ),
                (
                    "champion",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="comparisons_as_champion",
                        to="learning.generatorversion",
                    ),
                ),
                (
                    "home",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="blind_comparisons",
                        to="annotation.campaign",
                    ),
                ),
            ],
            options={
                "ordering": ("home", "-asked_at", "-pk"),
            },
        ),
        migrations.CreateModel(
            name="BlindVerdict",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("look", models.PositiveSmallIntegerField()),
                ("alpha", models.FloatField(help_text="The risk that this look may run.")),
                ("margin", models.FloatField()),
                ("choices", models.PositiveIntegerField()),
                ("candidate_digest", models.CharField(max_length=64)),
                ("champion_digest", models.CharField(max_length=64)),
                (
                    "verdict",
                    models.CharField(
                        choices=[
                            ("PASS", "pass"),
                            ("HOLD", "hold"),
                            ("BLOCK", "block"),
                            ("VOID", "void"),
                        ],
                        max_length=5,
                    ),
                ),
                (
                    "record",
                    models.JSONField(
                        default=dict,
                        help_text="Metrics as they were shown, code, libraries, digest of choices.",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "asked_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "comparison",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="verdicts",
                        to="training.blindcomparison",
                    ),
                ),
            ],
            options={
                "ordering": ("comparison", "-look"),
            },
        ),
        migrations.CreateModel(
            name="BlindCheck",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("choices", models.PositiveIntegerField()),
                ("raters", models.PositiveIntegerField()),
                (
                    "share",
                    models.FloatField(help_text="How often the candidate is preferred, ties half."),
                ),
                ("low", models.FloatField()),
                ("high", models.FloatField()),
                ("harm_p", models.FloatField(help_text="Corrected over all languages.")),
                (
                    "missing",
                    models.PositiveIntegerField(
                        help_text="Choices that would tell; empty: no number would, or none is asked.",
                        null=True,
                    ),
                ),
                (
                    "verdict",
                    models.CharField(
                        choices=[
                            ("PASS", "pass"),
                            ("HOLD", "hold"),
                            ("BLOCK", "block"),
                            ("VOID", "void"),
                        ],
                        max_length=5,
                    ),
                ),
                ("sentence", models.CharField(max_length=500)),
                ("numbers", models.JSONField(default=dict)),
                (
                    "language",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="annotation.language",
                    ),
                ),
                (
                    "verdict_of",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="checks",
                        to="training.blindverdict",
                    ),
                ),
            ],
            options={
                "ordering": ("verdict_of", "language__tag"),
            },
        ),
        migrations.CreateModel(
            name="GeneratorLesson",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("revision", models.PositiveIntegerField()),
                (
                    "licence",
                    models.CharField(
                        blank=True, help_text="Of the text, at the time.", max_length=80
                    ),
                ),
                (
                    "person",
                    models.CharField(help_text="Pseudonym of whoever answered.", max_length=16),
                ),
                (
                    "annotation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="taught",
                        to="annotation.annotation",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="lessons",
                        to="learning.generatorversion",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="blindcomparison",
            constraint=models.CheckConstraint(
                condition=models.Q(("candidate", models.F("champion")), _negated=True),
                name="no_generator_and_itself",
            ),
        ),
        migrations.AddConstraint(
            model_name="blindcomparison",
            constraint=models.CheckConstraint(
                condition=models.Q(("margin__gt", 0), ("margin__lt", 0.5)),
                name="blind_margin_below_a_half",
            ),
        ),
        migrations.AddConstraint(
            model_name="blindcomparison",
            constraint=models.UniqueConstraint(
                condition=models.Q(("finished_at", None)),
                fields=("candidate", "champion"),
                name="one_pair_of_generators_writes_at_a_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="blindverdict",
            constraint=models.UniqueConstraint(
                fields=("comparison", "look"), name="one_blind_verdict_per_look"
            ),
        ),
        migrations.AddConstraint(
            model_name="blindverdict",
            constraint=models.CheckConstraint(
                condition=models.Q(("look__lte", 3)), name="blind_looks_no_oftener_than_it_may"
            ),
        ),
        migrations.AddConstraint(
            model_name="blindverdict",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("verdict", "PASS"), _negated=True),
                    models.Q(("choices__gte", 1), ("look__gte", 1)),
                    _connector="OR",
                ),
                name="no_generator_passes_without_people",
            ),
        ),
        migrations.AddConstraint(
            model_name="blindcheck",
            constraint=models.UniqueConstraint(
                fields=("verdict_of", "language"), name="one_blind_check_per_language"
            ),
        ),
        migrations.AddConstraint(
            model_name="blindcheck",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("verdict", "PASS"), _negated=True),
                    models.Q(("choices__gte", 2), ("raters__gte", 2)),
                    _connector="OR",
                ),
                name="no_language_passes_without_people",
            ),
        ),
        migrations.AddConstraint(
            model_name="generatorlesson",
            constraint=models.UniqueConstraint(
                fields=("version", "annotation"), name="one_lesson_per_generator_and_answer"
            ),
        ),
        migrations.RunPython(guard, let_go),
    ]
