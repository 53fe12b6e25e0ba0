"""The JSON doors to evaluations, gates, corrections and webhooks; ``config.api`` puts all apps' routers together."""

from ninja import Router

from training.api import corrections, evaluations, webhooks

router = Router()
router.add_router("", evaluations.router)
router.add_router("", corrections.router)
router.add_router("", webhooks.router)
