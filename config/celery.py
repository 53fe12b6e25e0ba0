"""Celery: three queues and the timetable.

``default`` turns the wheel and never waits; ``io`` waits for Label Studio, reads files, however
long that takes, and answers who tries the model; ``gpu`` holds the network.
"""

import os
from typing import Any

from celery import Celery
from celery.schedules import crontab
from celery.signals import setup_logging, worker_ready
from django.conf import settings
from django_structlog.celery.steps import DjangoStructLogInitStep
from kombu import Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from config.broker import use_patience
from config.env import env

use_patience()
QUEUES = ("default", "io", "gpu")
# Charts of people move with consensus, which moves with rounds: minutes are soon enough.
WATCH_SECONDS = 300
# Once a week there is something to send; what a mail server that was away left, is sent soon after.
LETTER_SECONDS = 900
# A report that came in is looked at within a minute, even if nobody was asked at once.
REPORT_SECONDS = 30
COUNT_SECONDS = 60
# What is over, and nobody needs, goes once a day.
DAY_SECONDS = 86_400
# Whoever has their browser ring is told within a minute, outside their quiet hours.
RING_SECONDS = 60
# A campaign's languages are learned anew where its pool has grown by a fifth; most days none has.
LEARN_SECONDS = 3600
app = Celery("vernacular")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.steps["worker"].add(DjangoStructLogInitStep)
app.autodiscover_tasks()
if env().broker_url:
    # RabbitMQ would take a message back from who is at work on it for half an hour.
    patience = {"x-consumer-timeout": settings.LONGEST_WORK_S * 1000}
    app.conf.task_queues = [Queue(name, queue_arguments=patience) for name in QUEUES]
app.conf.task_routes = {
    "annotation.tasks.attend": {"queue": "io"},
    "annotation.tasks.keep": {"queue": "io"},
    "annotation.tasks.let_in": {"queue": "io"},
    "annotation.tasks.mirror": {"queue": "io"},
    "annotation.tasks.patrol": {"queue": "io"},
    "annotation.tasks.push": {"queue": "io"},
    "annotation.tasks.run_import": {"queue": "io"},
    "annotation.tasks.send_questions": {"queue": "io"},
    "annotation.tasks.ring_report_bells": {"queue": "io"},
    "annotation.tasks.send_report_letters": {"queue": "io"},
    # Visitors wait for it: not behind a training that takes hours.
    "learning.tasks.answer_trial": {"queue": "io"},
    "learning.tasks.reproduce_reports": {"queue": "io"},
    "training.tasks.tend_report_fixes": {"queue": "io"},
    # Counts of millions may take minutes, and the wheel must turn.
    "training.tasks.renew_count": {"queue": "io"},
    "annotation.tasks.sweep": {"queue": "io"},
    "learning.tasks.find_duplicates": {"queue": "gpu"},
    "learning.tasks.look_closer": {"queue": "gpu"},
    "learning.tasks.score_shard": {"queue": "gpu"},
    "training.tasks.send_letters": {"queue": "io"},
    "training.tasks.tell_webhooks": {"queue": "io"},
    "training.tasks.prepare": {"queue": "gpu"},
    "training.tasks.pulse": {"queue": "gpu"},
    "training.tasks.train": {"queue": "gpu"},
    "training.tasks.judge": {"queue": "gpu"},
    "training.tasks.measure": {"queue": "gpu"},
    "training.tasks.write_comparison": {"queue": "gpu"},
    "training.tasks.take_figures": {"queue": "gpu"},
}
app.conf.beat_schedule = {
    "tick": {
        "task": "training.tasks.tick",
        "schedule": env().tick_seconds,
        # A tick that nobody took in time is worthless: the next one sees the same.
        "options": {"expires": env().tick_seconds * 2},
    },
    "sweep": {
        "task": "annotation.tasks.sweep_all",
        "schedule": env().sweep_seconds,
        "options": {"expires": env().sweep_seconds},
    },
    "watch_people": {
        "task": "annotation.tasks.watch_people",
        "schedule": WATCH_SECONDS,
        "options": {"expires": WATCH_SECONDS},
    },
    "send_questions": {
        "task": "annotation.tasks.send_questions",
        "schedule": LETTER_SECONDS,
        "options": {"expires": LETTER_SECONDS},
    },
    "forget_what_is_over": {
        "task": "annotation.tasks.forget_what_is_over",
        # By the clock: a timetable that is started anew each day would never wait for a whole one.
        "schedule": crontab(hour="3", minute="17"),
        "options": {"expires": DAY_SECONDS},
    },
    "tend_reports": {
        "task": "annotation.tasks.tend_reports",
        "schedule": REPORT_SECONDS,
        "options": {"expires": REPORT_SECONDS},
    },
    "tend_trials": {
        "task": "learning.tasks.tend_trials",
        "schedule": REPORT_SECONDS,
        "options": {"expires": REPORT_SECONDS},
    },
    "look_at_report_fixes": {
        "task": "training.tasks.look_at_report_fixes",
        "schedule": REPORT_SECONDS,
        "options": {"expires": REPORT_SECONDS},
    },
    "tell_webhooks": {
        "task": "training.tasks.tell_webhooks",
        "schedule": REPORT_SECONDS,
        "options": {"expires": REPORT_SECONDS},
    },
    "renew_counts": {
        "task": "training.tasks.renew_counts",
        "schedule": COUNT_SECONDS,
        "options": {"expires": COUNT_SECONDS},
    },
    "learn_report_languages": {
        "task": "annotation.tasks.learn_report_languages",
        "schedule": LEARN_SECONDS,
        "options": {"expires": LEARN_SECONDS},
    },
    "ring_report_bells": {
        "task": "annotation.tasks.ring_report_bells",
        "schedule": RING_SECONDS,
        "options": {"expires": RING_SECONDS},
    },
    "send_report_letters": {
        "task": "annotation.tasks.send_report_letters",
        "schedule": LETTER_SECONDS,
        "options": {"expires": LETTER_SECONDS},
    },
    "send_letters": {
        "task": "training.tasks.send_letters",
        "schedule": LETTER_SECONDS,
        "options": {"expires": LETTER_SECONDS},
    },
}


@setup_logging.connect
def keep_our_logging(**_: object) -> None:
    """Celery would replace the handlers that the settings have just made."""


@worker_ready.connect
def say_ready(sender: Any, **_: object) -> None:
    """Leave a sign for whoever started this worker: from now on it takes work."""
    sign = env().var_dir / "run" / f"{sender.hostname}.ready"
    sign.parent.mkdir(parents=True, exist_ok=True)
    sign.touch()
