from decimal import Decimal

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("annotation", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="campaign",
            name="most_labels_per_language",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="A language with so many answered items has done its share. Empty: no end.",
                null=True,
                verbose_name="most labels per language",
            ),
        ),
        migrations.AddField(
            model_name="campaign",
            name="least_gain",
            field=models.DecimalField(
                decimal_places=3,
                default=Decimal("0.010"),
                help_text="What 100 more labels must add to a language's accuracy to be worth asking.",
                max_digits=4,
                validators=[
                    django.core.validators.MinValueValidator(Decimal("0")),
                    django.core.validators.MaxValueValidator(Decimal("0.200")),
                ],
                verbose_name="least gain",
            ),
        ),
        migrations.AddField(
            model_name="campaign",
            name="stop_automatically",
            field=models.BooleanField(
                default=False,
                help_text="Languages that may stop get no more items; otherwise it is only advised.",
                verbose_name="stop automatically",
            ),
        ),
    ]
