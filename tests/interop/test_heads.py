"""Spaces inside of attention heads: the canonical basis changes no output and is the same for equal models."""

import copy

import numpy as np
import pytest
import torch
import transformers
from benchmarks.streams import MODELS, SIZES, batch, logits, make, scrambled

import descrambler as ds

bridge = ds.interop.torch


def build(name):
    if name != "BERT":
        return make(name)
    config = transformers.BertConfig(**SIZES)
    return scrambled(transformers.BertForMaskedLM(config).eval()).double()


def count(found, kind):
    return sum(space.kind == kind for space in found.spaces)


# By model: key-value heads of a layer times layers, and by kind the number of spaces.
@pytest.mark.parametrize(
    ("name", "values", "free", "pairs"),
    [
        ("Llama", 4, 0, 8),
        ("Qwen3", 4, 0, 0),
        ("GPT-NeoX", 8, 8, 8),
        ("Phi", 8, 8, 8),
        ("GPT-2", 8, 8, 0),
        ("OPT", 8, 8, 0),
        ("T5", 24, 24, 0),
        ("ViT", 8, 8, 0),
        ("BERT", 8, 8, 0),
    ],
)
def test_the_canonical_basis_changes_no_output(name, values, free, pairs):
    change = {
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5}
    }
    model = make(name, **change) if name in ("GPT-NeoX", "Phi") else build(name)
    given = batch(model)
    before = logits(model, given)
    found = bridge.heads(model)
    assert count(found, "value-output") == values
    assert count(found, "query-key") == free
    assert count(found, "rotary pair") == pairs
    assert bool(found.barred) == (name == "Qwen3")
    spectra = [space.singular_values() for space in found.spaces]
    weights = [space.inside.module.weight.clone() for space in found.spaces]
    found.canonicalize()
    tolerance = 2e-6 if name in ("Llama", "Qwen3", "T5") else 1e-13
    after = logits(model, given)
    assert float((before - after).abs().max() / before.abs().max()) < tolerance
    for space, spectrum, weight in zip(found.spaces, spectra, weights, strict=True):
        np.testing.assert_allclose(space.singular_values(), spectrum, rtol=1e-9)
        assert not torch.equal(space.inside.module.weight, weight)
        if space.kind == "value-output":
            inside = space._inside()
            gram = inside @ inside.T
            np.testing.assert_allclose(gram, np.diag(spectrum), atol=1e-12)


def scramble_values(model, seed):
    """Another basis of the same values: grouped heads share it."""
    generator = torch.Generator().manual_seed(seed)
    for layer in model.model.layers:
        attention = layer.self_attn
        size = attention.head_dim
        with torch.no_grad():
            for head in range(attention.v_proj.weight.shape[0] // size):
                r = torch.randn(size, size, generator=generator, dtype=torch.float64)
                rows = slice(head * size, (head + 1) * size)
                attention.v_proj.weight[rows] = r @ attention.v_proj.weight[rows]
                if attention.v_proj.bias is not None:
                    attention.v_proj.bias[rows] = r @ attention.v_proj.bias[rows]
                for i in range(attention.num_key_value_groups):
                    start = (head * attention.num_key_value_groups + i) * size
                    columns = attention.o_proj.weight[:, start : start + size]
                    columns.copy_(columns @ torch.linalg.inv(r))


@pytest.mark.parametrize("name", ["Llama", "Qwen3"])
def test_equal_models_have_the_same_canonical_weights(name):
    one = make(name)
    other = copy.deepcopy(one)
    scramble_values(other, 0)
    before = logits(one, batch(one))
    assert float((logits(other, batch(one)) - before).abs().max()) < 1e-4
    for model in (one, other):
        bridge.heads(model).canonicalize()
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        np.testing.assert_allclose(a.detach(), b.detach(), atol=1e-8)


def test_equal_rotary_pairs_have_the_same_canonical_weights():
    one = make("Llama")
    other = copy.deepcopy(one)
    attention = other.model.layers[0].self_attn
    half = attention.head_dim // 2
    angle, scale = torch.tensor(0.7, dtype=torch.float64), 3.0
    with torch.no_grad():
        for layer, factor, heads in (
            (attention.k_proj, scale, 1),
            (attention.q_proj, 1 / scale, 2),
        ):
            for i in range(heads):
                first, second = 2 * half * i, 2 * half * i + half
                for p in (layer.weight, layer.bias):
                    a, b = p[first].clone(), p[second].clone()
                    p[first] = factor * (angle.cos() * a - angle.sin() * b)
                    p[second] = factor * (angle.sin() * a + angle.cos() * b)
    before = logits(one, batch(one))
    assert float((logits(other, batch(one)) - before).abs().max()) < 1e-4
    for model in (one, other):
        bridge.heads(model).canonicalize()
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        np.testing.assert_allclose(a.detach(), b.detach(), atol=1e-8)


def test_the_table_and_models_without_heads():
    text = str(bridge.heads(make("Qwen3")))
    assert "value-output" in text and "no query-key space (norms of queries and keys)" in text
    heads = bridge.heads(make("Llama"))
    assert repr(heads) == f"Heads(LlamaForCausalLM, {len(heads.spaces)} spaces, barred={{}})"
    assert "\n" not in repr(heads.spaces[0]) and "Linear" not in repr(heads.spaces[0])
    assert set(MODELS) >= {"Llama", "Qwen3"}
    with pytest.raises(ValueError, match="attention layers of known classes"):
        bridge.heads(torch.nn.Linear(2, 2))
