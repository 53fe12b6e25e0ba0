"""The JSON doors to campaigns, samples and answers; ``config.api`` puts all apps' routers together."""

from ninja import Router

from annotation.api import answers, campaigns, exports, imports

router = Router()
router.add_router("", campaigns.router)
router.add_router("", imports.router)
router.add_router("", answers.router)
router.add_router("", exports.router)
