"""Whoever answers already was added by an admin before consents were kept: that is written down."""

from django.db import migrations
from django.db.models import Min


def record(apps, schema_editor):
    Annotator = apps.get_model("annotation", "Annotator")
    Consent = apps.get_model("annotation", "Consent")
    simulated = set(Annotator.objects.filter(kind="simulated").values_list("user", flat=True))
    joined = Annotator.objects.values("user").annotate(since=Min("joined_at")).order_by("user")
    there = set(Consent.objects.filter(ended_at=None).values_list("user", flat=True))
    Consent.objects.bulk_create(
        [
            Consent(
                user_id=row["user"],
                how="simulated" if row["user"] in simulated else "before",
                train=True,
                given_at=row["since"],
            )
            for row in joined.iterator()
            if row["user"] not in there
        ],
        batch_size=500,
    )


class Migration(migrations.Migration):
    dependencies = [("annotation", "0011_add_access")]

    operations = [migrations.RunPython(record, migrations.RunPython.noop)]
