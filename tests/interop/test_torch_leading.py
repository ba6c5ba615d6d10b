"""Leading modes collected while a PyTorch model runs, against the whole Gram matrix."""

import numpy as np
import pytest

import descrambler as ds

torch = pytest.importorskip("torch")
bridge = ds.interop.torch
N, RANK = 40, 4


def model_and_batches(drift=0.0, number=40):
    """An activation that keeps a spectrum which falls; the later batches of other signals, on request."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.GELU(), torch.nn.Linear(N, 3))
    spread = torch.arange(1, N + 1) ** -1.0
    turn = torch.linalg.qr(torch.randn(N, N))[0]
    return model, [
        (torch.randn(100, N) * spread + 0.2 * spread + drift * k * spread.flip(0)) @ turn
        for k in range(number)
    ]


def both(model, batches):
    taps = "1:input"
    leading = bridge.capture(model, batches, taps, rank=RANK)[taps]
    return leading, bridge.capture(model, batches, taps)[taps]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_values_lie_below_the_eigenvalues_by_what_is_stated(dtype):
    model, batches = model_and_batches()
    leading, gram = both(model.to(dtype), [batch.to(dtype) for batch in batches])
    exact = np.linalg.eigvalsh(gram.matrix)[::-1]
    assert len(leading.values) == 2 * RANK
    np.testing.assert_allclose(leading.modes @ leading.modes.T, np.eye(2 * RANK), atol=1e-12)
    missing = exact[: 2 * RANK] - leading.values
    assert missing.min() > -1e-12 * exact[0]
    assert 0 < missing[:RANK].sum() < 1.2 * leading.errors[:RANK].sum() < 0.01 * exact.sum()
    residuals = np.linalg.norm(
        gram.matrix @ leading.modes.T - leading.modes.T * leading.values, axis=0
    )
    assert (residuals <= leading.residuals * (1 + 1e-9)).all()
    np.testing.assert_allclose(leading.mean, gram.mean, atol=1e-6)
    np.testing.assert_allclose(leading.trace, np.trace(gram.matrix), rtol=1e-6)
    assert leading.count == gram.count == 4000


@pytest.mark.parametrize("drift", [0.0, 0.02])
def test_the_rotation_misses_the_optimum_by_no_more_than_its_bound(drift):
    model, batches = model_and_batches(drift)
    leading, gram = both(model, batches)
    few = bridge.descramble_module(model, {"1:input": leading}, rank=RANK)["1:input"].result
    whole = ds.descramble(gram)
    assert few.method == "exact, on given leading modes"
    assert few.gram is None
    assert few.rotation.rank == RANK
    assert few.gap < 1e-9
    excess = whole.criterion.value_and_gradient(few.rotation.matrix, gram=gram.matrix)[0]
    assert 0 < excess - whole.objective < few.excess_bound
    best = whole.criterion.basis(N).eigenvalues[:RANK] @ whole.eigenvalues[:RANK]
    assert 0 <= best - few.bound < 1.5 * few.shortfall * few.bound + 1e-12 * best
    assert (few.shortfall > 0.02) == (drift > 0)
    bridge.verify(
        model,
        {"1:input": bridge.descramble_module(model, {"1:input": leading}, rank=2)["1:input"]},
        batches[:1],
    )


def test_of_few_signals_the_whole_matrix_is_known():
    model, batches = model_and_batches(number=3)
    leading, gram = both(model, batches)
    exact = np.linalg.eigvalsh(gram.matrix)[::-1]
    np.testing.assert_allclose(leading.values[:RANK], exact[:RANK], rtol=1e-4)
    auto = ds.descramble(leading, rank="auto")
    assert 1 <= auto.rotation.rank <= 2 * RANK


def test_masks_and_wide_outputs():
    model = torch.nn.Sequential(torch.nn.Linear(3, N), torch.nn.GELU(), torch.nn.Linear(N, 3))
    batches = [torch.randn(4, 10, 3) for _ in range(12)]
    mask = torch.arange(10).expand(4, 10) < 7
    found = bridge.capture(model, batches, ["0:output", "2:input"], mask=lambda _: mask, rank=RANK)
    assert isinstance(found["0:output"], ds.Gram)
    assert found["2:input"].count == found["0:output"].count == 12 * 28
    layers = bridge.descramble_module(model, found, rank=RANK)
    assert {layer.result.rotation.rank for layer in layers.values()} == {RANK}


def test_errors():
    model, batches = model_and_batches(number=8)
    for options, message in (
        ({"rank": 21}, "rank must be between 1 and 20 at 1:input, got 21"),
        ({"rank": 2, "keep": "signals"}, "keep='signals'"),
    ):
        with pytest.raises(ValueError, match=message):
            bridge.capture(model, batches, "1:input", **options)
    for place in (0, 6):
        bad = list(batches)
        bad[place] = bad[place] * np.nan
        with pytest.raises(ValueError, match="1:input: signals must be finite"):
            bridge.capture(model, bad, "1:input", rank=2)
    leading, _ = both(model, batches)
    for options, message in (
        ({}, "rank is needed"),
        ({"rank": 9}, "at most 8"),
        ({"rank": 2, "method": "cayley-lbfgs"}, "exact method"),
        ({"rank": 2, "criterion": "kurtosis"}, "rank needs smoothness"),
    ):
        with pytest.raises(ValueError, match=message):
            ds.descramble(leading, **options)
