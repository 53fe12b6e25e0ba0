"""What can go wrong around networks and rounds, in words somebody can act on."""

from annotation.errors import ConflictError, VernacularError


class WeightsError(VernacularError):
    """Stored weights are missing, or are not what they were when they were stored."""

    code = "weights_damaged"
    status = 500


class NothingServesError(ConflictError):
    """The campaign has no model version that serves."""

    code = "nothing_serves"


class ScoringError(VernacularError):
    """A network answered with numbers that are none."""

    code = "scoring_failed"
    status = 500


class EmbeddingsError(VernacularError):
    """A file of embeddings is gone, or is not what was written."""

    code = "embeddings_damaged"
    status = 500


class NoMaskedHeadError(VernacularError):
    """A checkpoint cannot tell which tokens surprise it."""

    code = "no_masked_head"
    status = 409


class NoChanceError(VernacularError):
    """A network says the same however often it is asked, so that nothing can be compared."""

    code = "no_chance"
    status = 409
