"""Every knob: type, default, meaning. The sole reader of the environment.

A value is looked up in the environment (``VERNACULAR_`` + the name in capitals), then in the files
of ``secrets_dir``, then in ``var/secrets.json`` for what is generated per installation, then here.
"""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

ROOT = Path(__file__).resolve().parent.parent


class Env(BaseSettings):
    """What can be set from outside."""

    model_config = SettingsConfigDict(env_prefix="VERNACULAR_", extra="ignore")

    var_dir: Path = Field(ROOT / "var", description="Everything that is written lies here.")
    secret_key: str = Field("", description="Signs sessions; generated at set-up.")
    debug: bool = Field(False, description="Django's debug pages. Never in production.")
    allowed_hosts: list[str] = Field(
        [],
        description="More host names the web answers to, as JSON; this machine and web_url always.",
    )
    database_url: str = Field(
        "", description="PostgreSQL, as postgresql://user:password@host/name. Empty: SQLite."
    )
    database_keeps_plans: bool = Field(
        True,
        description="PostgreSQL keeps plans of busy questions. Off behind a pooler of transactions.",
    )
    redis_url: str = Field(
        "", description="Redis, as redis://host:6379/0 or unix:///path. Empty: our own server."
    )
    broker_url: str = Field(
        "",
        description="RabbitMQ that carries messages instead of Redis, as amqp://user:password@host//.",
    )
    web_url: str = Field(
        "http://127.0.0.1:8100", description="Where browsers and Label Studio reach us."
    )
    trusted_proxies: int = Field(
        0,
        ge=0,
        description="Proxies of yours before the pages; whose address counts is told by them.",
    )
    web_port: int = Field(8100, description="Port of the pages; a busy one moves up.")
    label_studio_port: int = Field(8180, description="Port of Label Studio; a busy one moves up.")
    label_studio_url: str = Field(
        "", description="A Label Studio of your own. Empty: one is started and looked after."
    )
    label_studio_token: str = Field("", description="Token of its admin; generated at set-up.")
    label_studio_email: str = Field(
        "admin@vernacular.localhost", description="Sign-in name of its admin."
    )
    label_studio_password: str = Field("", description="Password of its admin; generated.")
    label_studio_entry_key: str = Field(
        "", description="Signs the way into Label Studio; it must know it too; generated."
    )
    label_studio_database_url: str = Field(
        "", description="PostgreSQL of Label Studio, for backups. Empty: its file in var, if any."
    )
    label_studio_timeout: float = Field(30.0, description="Seconds to wait for one answer.")
    webhook_secret: str = Field("", description="What Label Studio's nudges must carry; generated.")
    admin_password: str = Field("", description="First password of the admin; generated.")
    tick_seconds: float = Field(5.0, description="How often the loop looks what is due.")
    sweep_seconds: float = Field(
        300.0,
        description="How often each desk project is swept even when nothing nudged;"
        " all it holds is compared twelve times as seldom.",
    )
    queue_slice: int = Field(200, description="Most open items of one language at the desk.")
    reservation_hours: float = Field(
        12.0, gt=0, description="How long texts that a light page fetched ahead are kept for it."
    )
    scoring_shard: int = Field(2000, description="Samples in one shard of scoring work.")
    runtime: Literal["auto", "float32", "bfloat16", "bfloat16-compiled", "int8"] = Field(
        "auto",
        description="Arithmetic of scoring; auto takes the quickest that agrees with float32.",
    )
    lease_seconds: float = Field(
        60.0, description="Claimed work without a sign of life for so long is given out again."
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where networks run.")
    train_processes: int = Field(
        0, ge=0, description="Processes that train one run; 0: as many as there are GPUs, or one."
    )
    torch_threads: int = Field(0, description="Threads for torch on a CPU; 0 lets torch choose.")
    weights: str = Field(
        "", description="Model versions: a folder, or s3://bucket/prefix. Empty: var/weights."
    )
    weights_copies: int = Field(
        8, description="Versions from a bucket of which a machine keeps a copy."
    )
    s3_endpoint: str = Field(
        "", description="Server of that bucket, as https://host:9000. Empty: Amazon's."
    )
    s3_region: str = Field("us-east-1", description="Region of that bucket.")
    s3_access_key: str = Field("", description="Its access key. Empty: what the machine is given.")
    s3_secret_key: str = Field("", description="Its secret key, better in secrets_dir.")
    secrets_dir: Path | None = Field(
        None, description="Folder of secret files: vernacular_s3_secret_key holds s3_secret_key."
    )
    embeddings: bool = Field(
        True, description="Keep an embedding of every scored sample, two bytes a number."
    )
    embeddings_dir: Path | None = Field(None, description="Embeddings. Empty: var/embeddings.")
    outside_may_be_inside: bool = Field(
        False,
        description="Webhooks may go to addresses of your own network, and without TLS.",
    )
    mail_host: str = Field(
        "", description="Mail server for weekly letters. Empty: they are written to the log."
    )
    push_services: str = Field(
        "fcm.googleapis.com,push.services.mozilla.com,notify.windows.com,push.apple.com",
        description="Hosts of the push services by which browsers of reporters ring; no other is asked.",
    )
    mail_port: int = Field(587, description="Its port.")
    mail_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="How the line to it is kept private."
    )
    mail_user: str = Field("", description="Sign-in name there. Empty: it asks for none.")
    mail_password: str = Field("", description="Password there, better in secrets_dir.")
    mail_from: str = Field(
        "vernacular@localhost", description="Who letters say they are from; replies go there."
    )
    hard_texts_a_day: int = Field(
        40,
        ge=0,
        description="Hard texts of reports shown to one person a day before a rest; 0: no limit.",
    )
    require_two_factor: bool = Field(
        False, description="Staff and admins of campaigns must sign in with a second step."
    )
    metrics_token: str = Field(
        "", description="Opens /metrics as a bearer token. Empty: only this machine may ask."
    )
    trace_to: str = Field(
        "",
        description="OTLP collector of traces, as http://collector:4318/v1/traces. Empty: no traces.",
    )
    trace_ratio: float = Field(1.0, ge=0, le=1, description="Share of requests that are traced.")
    sentry_dsn: str = Field(
        "", description="Sentry that errors go to, without texts, people or values. Empty: none."
    )
    log_level: str = Field("INFO", description="Least severe level that is logged.")
    log_format: Literal["console", "json"] = Field("console", description="For eyes or machines.")

    @property
    def messages_url(self) -> str:
        """What carries messages to workers; ``memory://``, which reaches nobody, where none is set."""
        redis = self.redis_url.replace("unix://", "redis+socket://", 1)
        return self.broker_url or redis or "memory://"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment first, then secret files, then the secrets of this installation."""
        told = env_settings()
        made = InitSettingsSource(settings_cls, _secrets(Path(told.get("var_dir") or ROOT / "var")))
        if not told.get("secrets_dir"):
            return (init_settings, env_settings, made)
        files = SecretsSettingsSource(settings_cls, secrets_dir=told["secrets_dir"])
        return (init_settings, env_settings, files, made)


def _secrets(var: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((var / "secrets.json").read_text()))
    except FileNotFoundError:
        return {}


@lru_cache
def env() -> Env:
    """The settings of this process."""
    return Env()
