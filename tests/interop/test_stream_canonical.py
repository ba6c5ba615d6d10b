"""A gauge that does not depend on rotations before: equal weights, degenerate subspaces, signs, signals."""

import copy

import numpy as np
import pytest
import torch

import descrambler as ds

bridge = ds.interop.torch
nn = torch.nn
D, VOCABULARY = 12, 40


class Block(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.norm, self.up, self.down = norm(D), nn.Linear(D, 20), nn.Linear(20, D)

    def forward(self, x):
        return x + self.down(torch.tanh(self.up(self.norm(x))))


class Model(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, D)
        self.blocks = nn.ModuleList([Block(norm) for _ in range(2)])
        self.norm, self.head = norm(D), nn.Linear(D, VOCABULARY, bias=False)

    def forward(self, ids):
        x = self.tokens(ids)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


SPEC = bridge.Stream(
    writers=["tokens", "blocks.*.down"],
    norms={"blocks.*.norm": "blocks.*.up", "norm": "head"},
)


def make(norm=nn.RMSNorm, dtype=torch.float64):
    torch.manual_seed(0)
    model = Model(norm).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
            if name == "tokens.weight":  # distinct variances, a mean
                parameter.mul_(torch.linspace(0.5, 2, D)).add_(0.3)
    return model.to(dtype)


def batches(seed=1, size=50, top=VOCABULARY):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(top, (size, 6), generator=generator) for _ in range(2)]


def rotated(model, seed):
    stream = bridge.residual_stream(copy.deepcopy(model), SPEC)
    return stream.rotate(stream.random_rotation(seed))


def apart(a, b):
    pairs = zip(a.parameters(), b.parameters(), strict=True)
    return max(float(((x - y).abs().max() / x.abs().max()).detach()) for x, y in pairs)


@pytest.mark.parametrize("norm", [nn.RMSNorm, nn.LayerNorm])
def test_two_rotated_copies_are_equal_weight_by_weight(norm):
    model = make(norm)
    first, second = (rotated(model, seed) for seed in (1, 2))
    assert apart(first.model, second.model) > 0.1
    gauges = [stream.canonical(batches()) for stream in (first, second)]
    for stream, gauge in zip((first, second), gauges, strict=True):
        assert gauge.resolved.all() and gauge.sign_resolved.all() and not gauge.unresolved
        assert gauge.matrix.shape == (D - (norm is nn.LayerNorm),) * 2
        stream.rotate(gauge)
        assert stream.verify(batches(3)).passed
    assert apart(first.model, second.model) < 1e-8
    with torch.no_grad():
        before, after = (m(batches(4)[0]) for m in (model, first.model))
    assert float((before - after).abs().max()) < 1e-10
    again = first.canonical(batches())
    assert np.abs(again.matrix - np.eye(len(again.matrix))).max() < 1e-8


def test_it_is_the_principal_axes_with_positive_means():
    model = make()
    stream = bridge.residual_stream(model, SPEC)
    before = copy.deepcopy(model.state_dict())
    gauge = stream.canonical(batches())
    rows = np.concatenate(list(stream.signals(batches()).values()))
    turned = rows @ gauge.matrix.T
    moments = turned.T @ turned / len(rows)
    assert np.allclose(moments, np.diag(gauge.moments), atol=1e-12)
    assert (np.diff(gauge.moments) < 0).all() and (turned.mean(0) > 0).all()
    assert gauge.count == len(rows) == 3 * 600
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert "12 of 12" in str(gauge) and "12 of 12" in repr(gauge)


def test_degenerate_subspaces_are_unresolved():
    model = make()
    with torch.no_grad():
        for block in model.blocks:
            block.down.weight.zero_()
            block.down.bias.zero_()
        # The stream is one of the rows of 1, 1, 2, ... times the unit matrix: the first two are degenerate.
        model.tokens.weight.zero_()
        model.tokens.weight[:D] = torch.diag(
            torch.tensor([1.0, 1.0, *range(2, D)], dtype=torch.float64)
        )
    every = [torch.arange(D)[None]]
    first, second = rotated(model, 1), rotated(model, 2)
    gauges = [stream.canonical(every) for stream in (first, second)]
    for stream, gauge in zip((first, second), gauges, strict=True):
        assert gauge.unresolved == ((D - 2, D - 1),)
        assert gauge.resolved.tolist() == [True] * (D - 2) + [False] * 2
        stream.rotate(gauge)
    tables = [stream.model.tokens.weight.detach().numpy()[2:D] for stream in (first, second)]
    assert np.abs(tables[0] - tables[1])[:, : D - 2].max() < 1e-8
    assert "10-11" in str(gauges[0])


def test_signals_that_span_little_leave_the_rest_unresolved():
    gauge = bridge.residual_stream(make(), SPEC).canonical(batches(top=2))
    ((first, last),) = gauge.unresolved
    assert last == D - 1 and 1 < first <= 6


def test_less_than_float64_is_measured_in_float64():
    model = make(dtype=torch.float32)
    first, second = rotated(model, 1), rotated(model, 2)
    gauges = [stream.canonical(batches()) for stream in (first, second)]
    assert gauges[0].tol == pytest.approx(np.finfo(np.float32).eps ** 0.5)
    for stream, gauge in zip((first, second), gauges, strict=True):
        assert gauge.matrix.dtype == np.float64 and gauge.errors.max() > 1e-6
        stream.rotate(gauge)
    assert next(first.model.parameters()).dtype == torch.float32
    assert apart(first.model, second.model) < 1e-3


def test_signals_by_point_and_without_padding():
    stream = bridge.residual_stream(make(), SPEC)
    given = batches()[0]
    found = stream.signals([given], mask=lambda ids: ids > 3)
    assert list(found) == ["blocks.0.norm", "blocks.1.norm", "norm"]
    assert {len(rows) for rows in found.values()} == {int((given > 3).sum())}
    wanted = stream.model.tokens.weight.detach().numpy()[given[given > 3].numpy()]
    assert np.array_equal(found["blocks.0.norm"], wanted)
    assert list(stream.signals([given], at="blocks.*.norm")) == ["blocks.0.norm", "blocks.1.norm"]
    total = sum(rows.T @ rows for rows in found.values())
    assert np.allclose(stream.gram([given], mask=lambda ids: ids > 3).matrix, total)


def test_refused():
    stream = bridge.residual_stream(make(), SPEC)
    with pytest.raises(ValueError, match="tol must be positive, got 0"):
        stream.canonical(batches(), tol=0)
    with pytest.raises(ValueError, match="no signals reached the stream"):
        stream.canonical([])
    with pytest.raises(ValueError, match="at must name points of the stream .*got 'head'"):
        stream.signals(batches(), at="head")
    with pytest.raises(ValueError, match="no signals reached norm"):
        stream.signals([], at="norm")


def test_the_basis_of_a_stream_is_tested_with_its_own_rotations():
    stream = bridge.residual_stream(make(nn.LayerNorm), SPEC)
    found = ds.evidence.privileged_basis(stream.signals(batches()), draw=stream.random_rotation)
    assert found.places == stream.points and found.n == D
    turned = stream.rotate(stream.random_rotation(5)).signals(batches())
    null = ds.evidence.privileged_basis(turned, draw=stream.random_rotation)
    assert null.p.min() > 0.05


def test_an_alignment_goes_into_the_weights():
    model = make()
    first, second = rotated(model, 1), rotated(model, 2)
    a, b = (stream.signals(batches(), at="norm")["norm"] for stream in (first, second))
    found = ds.align(a, b, "O", nulls=0)
    assert found.r2 == pytest.approx(1, abs=1e-12) and found.unaligned < 0.9
    second.rotate(found.rotation)
    assert apart(first.model, second.model) < 1e-8
    assert second.verify(batches(3)).passed
