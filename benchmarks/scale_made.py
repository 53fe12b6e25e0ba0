"""What :mod:`benchmarks.scale` asks about: millions of rows, made by the database itself."""

from typing import Any

from django.db import connection

ASKED, WANTED, OPEN = 10, 5, 500

# A language's share falls with its number: the largest has some hundred times what the least has.
TEXTS = """
INSERT INTO annotation_sample (campaign_id, language_id, uid, text, digest, dialect, external_id,
    "group", meta, created_at)
SELECT %(campaign)s, (%(tongues)s::bigint[])[1 + floor(%(languages)s * power(random(), 2))::int],
    gen_random_uuid(), 'nanga def ci altine ' || n || ' waaw déedéet jamm rekk la jërëjëf ' || n,
    encode(sha256(n::text::bytea), 'hex'), '', 'made-' || n, '', '{}', now()
FROM generate_series(%(first)s::bigint, %(last)s::bigint) n
"""
ITEMS = """
INSERT INTO annotation_item (uid, campaign_language_id, sample_id, kind, state, priority, batch,
    wanted, desk_wanted, suggestion, desk_updated_at, created_at, answered_at)
SELECT gen_random_uuid(), h.id, s.id, 'acquisition', 'answered', random(), 'r1', %(wanted)s, 1, '{}',
    '', now(), now()
FROM annotation_sample s JOIN annotation_campaignlanguage h
    ON h.campaign_id = s.campaign_id AND h.language_id = s.language_id
WHERE s.campaign_id = %(campaign)s AND s.id %% %(asked)s = 0
"""
# The last texts of each language are open, and nobody has them yet.
OPEN_ITEMS = """
INSERT INTO annotation_item (uid, campaign_language_id, sample_id, kind, state, priority, batch,
    wanted, desk_wanted, suggestion, desk_updated_at, created_at)
SELECT gen_random_uuid(), h.id, s.id, 'acquisition', 'queued', random(), 'r2', 2, 1, '{}', '', now()
FROM annotation_campaignlanguage h CROSS JOIN LATERAL (
    SELECT id FROM annotation_sample WHERE campaign_id = h.campaign_id AND language_id = h.language_id
        AND id %% %(asked)s <> 0 ORDER BY id DESC LIMIT %(open)s) s
WHERE h.campaign_id = %(campaign)s
"""
ANSWERS = """
INSERT INTO annotation_annotation (item_id, annotator_id, uid, source, desk_task_id, desk_seen_at, edit,
    mirrored_revision, state, label_id, flag, note, answer, revision, desk_updated_at, lead_seconds,
    guideline_version, created_at, updated_at)
SELECT i.id, p.id, gen_random_uuid(), 'light', 0, '', 0, 1, 'answered', %(label)s, '', '',
    '{"label": "admin"}', 1, '', 4.0, 0, now(), now()
FROM annotation_item i JOIN annotation_campaignlanguage h ON h.id = i.campaign_language_id
    CROSS JOIN LATERAL (SELECT id FROM annotation_annotator WHERE language_id = h.language_id
        ORDER BY id LIMIT %(wanted)s) p
WHERE h.campaign_id = %(campaign)s AND i.state = 'answered'
"""
AT_ONCE = 500_000


def make_campaign_of(samples: int, *, languages: int, people: int) -> Any:
    """A running campaign: a tenth of its texts answered by five people each, some of them open."""
    from django.utils import timezone

    from annotation.models import Annotator, CampaignLanguage, Consent, User
    from tests.make import make_campaign

    tags = tuple(f"l{number:03d}" for number in range(languages))
    campaign = make_campaign(languages=tags, slug="scale", status="running")
    tongues = CampaignLanguage.objects.filter(campaign=campaign).order_by("pk")
    spoken = list(tongues.values_list("language_id", flat=True))
    each = max(people // languages, WANTED + 1)
    users = User.objects.bulk_create(
        User(username=f"person{number}", password="!") for number in range(languages * each)
    )
    Annotator.objects.bulk_create(
        Annotator(user=user, language_id=spoken[number % languages])
        for number, user in enumerate(users)
    )
    agreed = {"how": "admin", "train": True, "given_at": timezone.now()}
    Consent.objects.bulk_create(Consent(user=user, **agreed) for user in users)
    told: dict[str, Any] = {
        "campaign": campaign.pk,
        "tongues": spoken,
        "languages": languages,
        "asked": ASKED,
        "wanted": WANTED,
        "open": OPEN,
        "label": campaign.labels.get(key="admin").pk,
    }
    with connection.cursor() as cursor:
        for first in range(0, samples, AT_ONCE):
            last = min(first + AT_ONCE, samples) - 1
            cursor.execute(TEXTS, told | {"first": first, "last": last})
        for statement in (ITEMS, OPEN_ITEMS, ANSWERS):
            cursor.execute(statement, told)
        cursor.execute("ANALYZE")
    return campaign


def sizes() -> dict[str, Any]:
    """How many rows there are, and what they weigh."""
    told: dict[str, Any] = {}
    with connection.cursor() as cursor:
        for table in ("sample", "item", "annotation"):
            cursor.execute(f"SELECT count(*) FROM annotation_{table}")
            told[f"{table}s_there"] = cursor.fetchone()[0]
        cursor.execute("SELECT pg_database_size(current_database())")
        told["gigabytes"] = round(cursor.fetchone()[0] / 1e9, 2)
    return told
