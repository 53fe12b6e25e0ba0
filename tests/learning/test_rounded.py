"""Rounded matrices: near to the exact ones, alike on every processor, whoever shares the batch."""

import pytest
import torch

from learning.networks import rounded as rounding
from learning.networks.rounded import RoundedEmbedding, RoundedLinear, rounded_rows


def linear(inputs: int = 96, outputs: int = 40, *, bias: bool = True) -> torch.nn.Linear:
    torch.manual_seed(0)
    return torch.nn.Linear(inputs, outputs, bias=bias)


@pytest.mark.parametrize("bias", [True, False])
def test_rounded_layer_says_nearly_the_same(bias: bool) -> None:
    exact = linear(bias=bias)
    given = torch.randn(2, 7, 96)
    with torch.inference_mode():
        error = (RoundedLinear.of(exact)(given) - exact(given)).abs().max()
    assert 0 < error < 0.03


def test_token_with_large_numbers_coarsens_no_other() -> None:
    layer, given = RoundedLinear.of(linear()), torch.randn(5, 96)
    crowded = torch.cat([given, torch.full((1, 96), 1e4)])
    with torch.inference_mode():
        assert torch.equal(layer(crowded)[:5], layer(given))


def test_kernels_and_floats_multiply_the_same_whole_numbers(monkeypatch) -> None:
    if not rounding.has_kernels():
        pytest.skip("this processor has no exact kernels for int8")
    layer, given = RoundedLinear.of(linear(512)), torch.randn(9, 512)
    with torch.inference_mode():
        quick = layer(given)
        monkeypatch.setattr(rounding, "has_kernels", lambda: False)
        torch.testing.assert_close(layer(given), quick, rtol=1e-6, atol=1e-6)


def test_rows_of_noughts_stay_noughts() -> None:
    levels, scales = rounded_rows(torch.tensor([[0.0, 0.0], [3.0, -6.0]]))
    assert levels.tolist() == [[0, 0], [64, -127]]
    assert float(scales[0]) == 0.0
    layer = RoundedLinear.of(linear())
    with torch.inference_mode():
        told = layer(torch.zeros(1, 96))
    assert layer.bias is not None
    torch.testing.assert_close(told[0], layer.bias)


def test_rounded_table_gives_vectors_within_half_a_step() -> None:
    torch.manual_seed(0)
    table = torch.nn.Embedding(30, 16)
    rows = torch.tensor([[3, 29], [0, 3]])
    error = (RoundedEmbedding.of(table)(rows) - table(rows)).abs()
    step = table.weight.abs().amax(dim=1)[rows] / 127
    assert bool((error.amax(dim=2) <= step / 2 + 1e-7).all())
