"""Django's settings, built from :mod:`config.env`."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from csp.constants import NONE, SELF
from django.conf.locale import LANG_INFO

from config.env import ROOT, env
from config.interfaces import find_interfaces, known_to_django
from config.logging import logging_config

ENV = env()
BASE_DIR = ROOT
VAR_DIR = ENV.var_dir
# With a bucket the folder holds this machine's copies.
WEIGHTS_BUCKET = ENV.weights if ENV.weights.startswith("s3://") else ""
WEIGHTS_DIR = (
    VAR_DIR / ("weights-copies" if WEIGHTS_BUCKET else "weights")
    if WEIGHTS_BUCKET or not ENV.weights
    else Path(ENV.weights)
)
EMBEDDINGS_DIR = ENV.embeddings_dir or VAR_DIR / "embeddings"

# An empty key is enough to build pages and run checks; `up` refuses to serve with it.
SECRET_KEY = ENV.secret_key or "not-secret-and-never-served"
DEBUG = ENV.debug
# `up` looks at 127.0.0.1 whether the pages answer, whatever names they have outside.
ALLOWED_HOSTS = [
    *ENV.allowed_hosts,
    *("127.0.0.1", "localhost", "[::1]", urlsplit(ENV.web_url).hostname or "localhost"),
]
CSRF_TRUSTED_ORIGINS = [ENV.web_url]

INSTALLED_APPS = [
    "config",
    "annotation",
    "learning",
    "training",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
    "django_htmx",
    "django_otp",
    "django_otp.plugins.otp_static",
    "django_otp.plugins.otp_totp",
    "django_structlog",
]
MIDDLEWARE = [
    # Before all else: whoever is turned away has cost hardly anything.
    "annotation.views.turnstile.Turnstile",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.request_ids.RequestIds",
    "config.tracing.Tracing",
    "config.straight.Straight",
    "csp.middleware.CSPMiddleware",
    "config.addresses.SoundAddresses",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "annotation.views.links.PersonalLinks",
    "annotation.views.second_step.SecondStep",
    "config.auditing.Audit",
    "annotation.views.interface.OwnInterface",
    "annotation.views.page_tables.PageTables",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
            ]
        },
    }
]

# Without IMMEDIATE and a busy timeout SQLite loses most of what several processes write.
SQLITE: dict[str, Any] = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": VAR_DIR / "vernacular.sqlite3",
    "OPTIONS": {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;"
            "PRAGMA busy_timeout=20000;PRAGMA foreign_keys=ON;"
            # Without it a row that is replaced is removed past the triggers that refuse that.
            "PRAGMA recursive_triggers=ON;"
        ),
    },
}
DATABASES = {
    "default": (
        dj_database_url.parse(
            ENV.database_url,
            engine="config.postgresql",
            conn_max_age=60,
            conn_health_checks=True,
        )
        if ENV.database_url
        else SQLITE
    )
}
DATABASE_KEEPS_PLANS = ENV.database_keeps_plans
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "annotation.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
    )
]
LOGIN_URL = "sign_in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign_in"
# Label Studio may live on the same host name, and cookies do not know ports.
SESSION_COOKIE_NAME = "vernacular_session"
SESSION_ENGINE = "config.sessions"
CSRF_COOKIE_NAME = "vernacular_csrf"
LANGUAGE_COOKIE_NAME = "vernacular_language"
# Whoever stands before us says whether a line is safe; without one of ours nobody is believed.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if ENV.trusted_proxies else None
OTP_TOTP_ISSUER = "Vernacular"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = ENV.web_url.startswith("https://")

# Without a mail server letters are shown in the log of the worker that would have sent them.
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if ENV.mail_host else 'console'}.EmailBackend"
EMAIL_HOST = ENV.mail_host
EMAIL_PORT = ENV.mail_port
EMAIL_USE_TLS = ENV.mail_security == "starttls"
EMAIL_USE_SSL = ENV.mail_security == "tls"
EMAIL_HOST_USER = ENV.mail_user
EMAIL_HOST_PASSWORD = ENV.mail_password
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = ENV.mail_from

LANGUAGE_CODE = "en"
# What has a catalogue; Django itself knows hardly any of the languages that this is made for.
INTERFACES = find_interfaces(VAR_DIR / "translations")
LANGUAGES = [(one.tag, one.name) for one in INTERFACES.values()]
LANG_INFO.update(known_to_django(INTERFACES.values()))
LANGUAGES_BIDI = [one.tag for one in INTERFACES.values() if one.right_to_left]
LOCALE_PATHS = [VAR_DIR / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
MEDIA_ROOT = VAR_DIR / "uploads"
DATA_UPLOAD_MAX_MEMORY_SIZE = 5_000_000
FILE_UPLOAD_HANDLERS = [
    "config.uploads.BoundedUploads",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}

# Empty broker: nothing is ever enqueued by accident; `up` and the tests give a real one.
CELERY_BROKER_URL = ENV.messages_url
CELERY_TASK_IGNORE_RESULT = True
CELERY_BEAT_SCHEDULER = "config.timetable:SteadyScheduler"
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Long work must not be delivered a second time while it runs; what is lost, the tick finds.
LONGEST_WORK_S = 12 * 3600
CELERY_BROKER_TRANSPORT_OPTIONS = {} if ENV.broker_url else {"visibility_timeout": LONGEST_WORK_S}
CELERY_TASK_DEFAULT_QUEUE = "default"

# config.request_ids has looked at what came along; tasks bear the id of what asked for them.
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = True
DJANGO_STRUCTLOG_CELERY_ENABLED = True
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = 10
# Where people are is nobody's business; who they are is a number.
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
LOGGING_CONFIG = None
LOGGING = logging_config(level=ENV.log_level, output=ENV.log_format)
