from django.db import migrations, models

from annotation.migrations._gently import AddIndexGently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("annotation", "0036_keep_what_reports_are_compared_by")]

    operations = [
        AddIndexGently(
            model_name="deskevent",
            index=models.Index(fields=["created_at"], name="desk_event_by_time"),
        ),
        AddIndexGently(
            model_name="deskevent",
            index=models.Index(
                condition=models.Q(("accepted", False)),
                fields=["created_at"],
                name="refused_desk_event_by_time",
            ),
        ),
    ]
