"""Residual streams of transformers: folded and rotated they compute what they did, saved and loaded too."""

import numpy as np
import pytest
import torch
import transformers
from benchmarks.streams import MODELS, batch, logits, make

import descrambler as ds

bridge = ds.interop.torch
LAYER_NORM = ("GPT-2", "GPT-NeoX", "OPT", "Phi", "ViT")
UNTIED = {
    "Llama, tied": {"lm_head.weight"},
    "Gemma": {"lm_head.weight"},
    "GPT-2": {"lm_head.weight"},
    "OPT": {"lm_head.weight"},
    "T5": {"lm_head.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"},
}


def apart(a, b):
    return float(((a - b).abs().max() / a.abs().max()).detach())


@pytest.mark.parametrize("name", MODELS)
def test_folded_rotated_saved_and_loaded_models_are_the_same(name, tmp_path):
    model = make(name)
    given = batch(model)
    before = logits(model, given)
    stream = bridge.residual_stream(model)
    assert stream.group == ("O(d-1)" if name in LAYER_NORM else "O(d)")
    stream.fold()
    weights = {w.name: w.parameter.clone() for w in stream._parts().weights()}
    stream.rotate(stream.random_rotation(0))
    assert set(stream.untied) == UNTIED.get(name, set())
    for weight in stream._parts().weights():
        assert apart(weights[weight.name], weight.parameter) > 0.1, weight.name
    found = stream.verify([given])
    assert found.passed and found.exact < 1e-13 and max(found.points.values()) < 1e-13
    assert found.tolerance == (1e-12 if name in LAYER_NORM else 2e-6)
    after = logits(model, given)
    assert apart(before, after) < found.tolerance
    model.save_pretrained(tmp_path)
    loaded = (
        getattr(transformers, MODELS[name][0]).from_pretrained(tmp_path, dtype=torch.float64).eval()
    )
    if name == "Mixtral":
        loaded.config._experts_implementation = "eager"
    assert apart(after, logits(loaded, given)) < 1e-14


@pytest.mark.parametrize("name", LAYER_NORM)
def test_layer_norms_become_rms_norms_for_any_rotation(name, tmp_path):
    model = make(name)
    given = batch(model)
    before = logits(model, given)
    stream = bridge.residual_stream(model)
    stream.fold(keep_architecture=False)
    assert stream.group == "O(d)"
    stream.rotate(stream.random_rotation(0))
    assert stream.verify([given]).passed
    after = logits(model, given)
    assert apart(before, after) < 1e-13
    with pytest.raises(RuntimeError, match=r"use stream\.save"):
        model.save_pretrained(tmp_path)
    stream.save(tmp_path / "rotated.safetensors")
    other = make(name)
    loaded = bridge.load_rotated(other, tmp_path / "rotated.safetensors")
    assert apart(after, logits(loaded, given)) < 1e-14
    with pytest.raises(RuntimeError, match=r"use stream\.save"):
        loaded.save_pretrained(tmp_path)
    again = bridge.residual_stream(loaded)
    again.rotate(again.random_rotation(1))
    assert apart(before, logits(loaded, given)) < 1e-13


def test_the_gram_matrix_is_that_of_the_stream():
    model = make("Llama")
    stream = bridge.residual_stream(model)
    given = batch(model)
    seen = {}
    for name in stream.points:
        module = model.get_submodule(name)
        module.register_forward_pre_hook(lambda m, args, name=name: seen.update({name: args[0]}))
    pooled = stream.gram([given])
    rows = {name: x.reshape(-1, 16).numpy() for name, x in seen.items()}
    together = np.concatenate(list(rows.values()))
    np.testing.assert_allclose(pooled.matrix, together.T @ together, rtol=1e-12, atol=1e-12)
    several = stream.gram([given], at=["model.norm", "model.layers.*.input_layernorm"])
    last = rows["model.norm"]
    np.testing.assert_allclose(several["model.norm"].matrix, last.T @ last, atol=1e-12)
    assert several["model.layers.*.input_layernorm"].count == 28
    p = stream.random_rotation(0)
    stream.rotate(p)
    turned = stream.gram([given], at="model.norm")
    np.testing.assert_allclose(turned.matrix, p @ (last.T @ last) @ p.T, rtol=1e-5, atol=1e-4)
    with pytest.raises(ValueError, match="at must name points"):
        stream.gram([given], at="model.layers.7.input_layernorm")
