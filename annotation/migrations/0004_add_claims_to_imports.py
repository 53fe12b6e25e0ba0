"""Count the claims of an import that were not given back apart from its fencing token."""

from django.db import migrations, models
from django.db.models import F


def fill(apps, schema_editor):
    """What was claimed before was never told apart."""
    apps.get_model("annotation", "SampleImport").objects.update(claims=F("token"))


class Migration(migrations.Migration):
    dependencies = [
        ("annotation", "0003_add_quota_knobs"),
    ]

    operations = [
        migrations.AddField(
            model_name="sampleimport",
            name="claims",
            field=models.PositiveIntegerField(
                default=0, help_text="How often a worker took it and did not give it back."
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
