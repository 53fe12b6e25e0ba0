"""Logs: one line an event, with the request's or the task's id; colours or JSON."""

import logging
import logging.config
import re
from typing import Any

import structlog

# Every few seconds, and nothing to tell: their failures are other lines.
ROUTINE = (
    "training.tasks.tick",
    "training.tasks.pulse",
    "annotation.tasks.attend",
    "annotation.tasks.patrol",
)

# Personal links, and the signed ones in letters, whose parts are parted by colons.
LINK = re.compile(r"/(go|letters(?:/yes)?|reports/follow)/[\w:%=.-]+")
# Asked every few seconds by whoever watches over us.
SIGNS = ("GET /healthz", "GET /readyz", "GET /metrics", "HEAD /healthz", "HEAD /readyz")


def worth_a_line(record: logging.LogRecord) -> bool:
    """Leave out that the timetable's routine came and went well, and so who looks if we live."""
    if record.levelno != logging.INFO:
        return True
    args: object = record.args
    if isinstance(args, dict) and args.get("name") in ROUTINE:
        return False
    said: object = record.msg
    return not (isinstance(said, dict) and said.get("request") in SIGNS)


def hide_links(_logger: object, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Keep the secrets of links out of every line, and what was searched for, whoever writes it."""
    if isinstance(asked := event.get("request"), str):
        event["request"] = asked.partition("?")[0]
    return {
        key: LINK.sub(r"/\1/…", told) if isinstance(told, str) else told
        for key, told in event.items()
    }


def logging_config(*, level: str, output: str) -> dict[str, Any]:
    """Set structlog and the standard library up, and say what was set."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if output == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    settings: dict[str, Any] = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    hide_links,
                    renderer,
                ],
                "foreign_pre_chain": shared,
            }
        },
        "filters": {"routine": {"()": lambda: worth_a_line}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "filters": ["routine"],
            }
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django_structlog": {"level": "WARNING"},
            # One line a request, when it has been answered.
            "django_structlog.middlewares.request": {"level": "INFO"},
            "httpx": {"level": "WARNING"},
            "httpcore": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
        },
    }
    logging.config.dictConfig(settings)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    return settings
