from django.db import migrations, models

from annotation.migrations._gently import AddIndexGently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("annotation", "0041_keep_numbers_of_large_campaigns")]

    operations = [
        AddIndexGently(
            model_name="item",
            index=models.Index(
                condition=models.Q(("state__in", ("queued", "pushed"))),
                fields=["campaign_language", "priority", "id"],
                name="item_handed_out",
            ),
        ),
    ]
