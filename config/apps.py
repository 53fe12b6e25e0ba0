from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        from django.conf import settings

        from config.interfaces import compile_stale

        compile_stale(settings.INTERFACES, folder=settings.LOCALE_PATHS[0])
        # The web enqueues too; without this import its tasks would go to a default app.
        # What it sends says when, and for which request.
        from config import celery, gpu_use, request_ids, telemetry, tracing  # noqa: F401

        telemetry.start_if_wanted()
