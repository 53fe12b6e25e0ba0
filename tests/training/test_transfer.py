"""The figures of a stream, held against numbers worked out by hand."""

import numpy as np
import pytest

from training.methods.transfer import transfer

# Three languages; worked out on paper from the definitions.
BY_HAND = [
    [0.30, 0.20, 0.10],
    [0.90, 0.40, 0.10],
    [0.60, 0.80, 0.50],
    [0.70, 0.50, 0.90],
]


def test_three_languages_come_out_as_on_paper():
    found = transfer(BY_HAND)
    assert found.acc == pytest.approx((0.70 + 0.50 + 0.90) / 3)
    assert found.worst == pytest.approx(0.50)
    assert found.bwt == pytest.approx(((0.70 - 0.90) + (0.50 - 0.80)) / 2)
    assert found.forgetting == pytest.approx(((0.90 - 0.70) + (0.80 - 0.50)) / 2)
    assert found.fwt == pytest.approx(((0.40 - 0.20) + (0.50 - 0.10)) / 2)
    # Changes of what was learned before: -.30, then +.10 and -.30.
    assert found.improved == pytest.approx(1 / 3)
    assert found.loss_of_losers == pytest.approx(0.30)


def test_forgetting_counts_from_the_best_and_only_since_it_was_learned():
    late_best = [[0.9, 0.0, 0.0], [0.5, 0.0, 0.0], [0.8, 0.6, 0.0], [0.6, 0.7, 0.9]]
    found = transfer(late_best)
    # .8 was reached after the second language; .9 before any was chance.
    assert found.forgetting == pytest.approx(((0.8 - 0.6) + (0.6 - 0.7)) / 2)
    assert found.bwt == pytest.approx(((0.6 - 0.5) + (0.7 - 0.6)) / 2)


def test_one_language_alone_has_nothing_to_forget():
    found = transfer([[0.3], [0.8]])
    assert (found.acc, found.bwt, found.forgetting, found.fwt) == (0.8, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("shape", [(3, 3), (2, 2), (0, 0), (3,)])
def test_table_without_its_first_row_is_refused(shape):
    with pytest.raises(ValueError, match="one row more"):
        transfer(np.zeros(shape))
