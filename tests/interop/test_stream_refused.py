"""What the streams of known models refuse, and what is found when something is left out of them."""

import dataclasses
import sys

import pytest
import torch
import transformers
from benchmarks.streams import SIZES, SPECIAL, batch, logits, make, scrambled

import descrambler as ds

bridge = ds.interop.torch


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("BertForMaskedLM", "norms come after the addition"),
        ("Gemma2ForCausalLM", "norms with a gain on what a branch adds"),
        ("Gemma3ForCausalLM", "norms with a gain on what a branch adds"),
        ("LlamaModel", "a model with its head"),
        ("BloomForCausalLM", "describe the stream by spec="),
    ],
)
def test_other_classes_are_refused_with_the_reason(kind, words):
    model_class = getattr(transformers, kind)
    small = {"n_layer": 2, "n_head": 4, "hidden_size": 16, "vocab_size": 40}
    sizes = small if kind == "BloomForCausalLM" else SIZES | {"num_hidden_layers": 1}
    model = model_class(model_class.config_class(**sizes, **SPECIAL)).eval()
    with pytest.raises(ValueError, match=words):
        bridge.residual_stream(model)


def test_bert_is_refused_by_tracing_too():
    config = transformers.BertConfig(**SIZES)
    model = scrambled(transformers.BertForMaskedLM(config).eval())
    layer = "bert.encoder.layer.*"
    spec = bridge.Stream(
        [
            "bert.embeddings.*_embeddings",
            f"{layer}.attention.output.dense",
            f"{layer}.output.dense",
        ],
        {
            "bert.embeddings.LayerNorm": [
                f"{layer}.attention.self.{x}" for x in ("query", "key", "value")
            ],
            f"{layer}.attention.output.LayerNorm": f"{layer}.intermediate.dense",
            f"{layer}.output.LayerNorm": "cls.predictions.transform.dense",
        },
    )
    with pytest.raises(ValueError, match="rotation"):
        bridge.residual_stream(model, spec, batch(model))


def test_gemma_2_is_refused_by_tracing_too():
    config = transformers.Gemma2Config(**SIZES, **SPECIAL, num_key_value_heads=2, head_dim=4)
    model = scrambled(transformers.Gemma2ForCausalLM(config).eval())
    spec = bridge.residual_stream(make("Gemma")).spec
    layer = "model.layers.*"
    norms = dict(spec.norms)
    norms[f"{layer}.pre_feedforward_layernorm"] = norms.pop(f"{layer}.post_attention_layernorm")
    spec = dataclasses.replace(spec, norms=norms)
    with pytest.raises(ValueError, match=r"post_attention_layernorm.*no symmetry"):
        bridge.residual_stream(model, spec, batch(model))


def test_opt_with_its_norms_after_the_addition_is_refused():
    with pytest.raises(ValueError, match="do_layer_norm_before=False"):
        bridge.residual_stream(make("OPT", do_layer_norm_before=False))


def test_older_versions_are_refused(monkeypatch):
    model = make("Llama")
    monkeypatch.setattr(sys.modules["transformers"], "__version__", "4.57.1")
    with pytest.raises(ValueError, match=r"version 5 or later, got 4.57.1: older versions name"):
        bridge.residual_stream(model)


def test_dropout_in_training_is_refused():
    model = make("GPT-2").train()
    stream = bridge.residual_stream(model)
    with pytest.raises(RuntimeError, match="evaluation mode"):
        stream.fold()
    make_calm = make("Llama").train()
    bridge.residual_stream(make_calm).fold()
    assert make_calm.training


def test_an_adapter_in_a_known_model_is_found():
    model = make("Llama")
    up = torch.nn.Linear(16, 4, bias=False).double()
    down = torch.nn.Linear(4, 16, bias=False).double()
    model.model.layers[1].add_module("adapter", torch.nn.Sequential(up, down))
    adapter = model.model.layers[1].adapter
    model.model.layers[1].mlp.register_forward_hook(lambda m, args, out: out + adapter(args[0]))
    stream = bridge.residual_stream(model)
    with pytest.raises(ValueError, match="described"):
        stream.fold()


@pytest.mark.parametrize("name", ["Llama", "GPT-2", "Mixtral", "T5"])
def test_each_writer_left_out_is_found(name):
    model = make(name)
    spec = bridge.residual_stream(model).spec
    some = [writer for writer in spec.writers if "embed" in writer or "EncDec" in writer]
    for left_out in some if name == "T5" else spec.writers:
        writers = [writer for writer in spec.writers if writer != left_out]
        stream = bridge.residual_stream(model, dataclasses.replace(spec, writers=writers))
        with pytest.raises(ValueError, match="no described weight wrote"):
            stream.fold()
        with pytest.raises(ValueError, match="does not compute what it did") as caught:
            stream.verify([batch(model)])
        assert caught.value.verification.exact > 1e-3


def test_the_final_gain_left_out_is_found():
    model = make("Llama, tied")
    spec = bridge.residual_stream(model).spec
    norms = {name: readers for name, readers in spec.norms.items() if name != "model.norm"}
    stream = bridge.residual_stream(
        model, dataclasses.replace(spec, norms=norms, readers=["lm_head"])
    )
    with pytest.raises(ValueError, match=r"model\.norm .LlamaRMSNorm."):
        stream.fold()
    with pytest.raises(ValueError, match="does not compute what it did") as caught:
        stream.verify([batch(model)])
    assert caught.value.verification.exact > 1e-3


def test_a_forgotten_untying_is_found():
    model = make("GPT-2")
    stream = bridge.residual_stream(model)
    stream.rotate(stream.random_rotation(0), backup=True)
    model.lm_head.weight = model.transformer.wte.weight
    with pytest.raises(ValueError, match="does not compute what it did") as caught:
        stream.verify([batch(model)])
    assert caught.value.verification.exact > 1e-3


def test_a_tie_that_need_not_break_stays():
    model = make("Llama, tied")
    with torch.no_grad():
        model.model.norm.weight.fill_(1)
    before = logits(model, batch(model))
    stream = bridge.residual_stream(model)
    stream.rotate(stream.random_rotation(0))
    assert stream.untied == () and model.lm_head.weight is model.model.embed_tokens.weight
    assert stream.verify([batch(model)]).passed
    assert float((logits(model, batch(model)) - before).abs().max()) < 1e-5


def test_a_backup_restores_ties_and_configuration(tmp_path):
    model = make("GPT-2")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    kept = model._tied_weights_keys
    stream = bridge.residual_stream(model)
    stream.fold(keep_architecture=False, backup=True)
    stream.rotate(stream.random_rotation(0))
    assert model.config.tie_word_embeddings is False
    stream.restore()
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert model.lm_head.weight is model.transformer.wte.weight
    assert model.config.tie_word_embeddings is True and model._tied_weights_keys == kept
    model.save_pretrained(tmp_path)


@pytest.mark.parametrize("name", ["encoder", "decoder"])
def test_the_two_streams_of_t5_can_be_rotated_one_by_one(name):
    model = make("T5")
    given = batch(model)
    before = logits(model, given)
    stream = bridge.residual_stream(model, name)
    stream.rotate(stream.random_rotation(0))
    assert f"{name}.embed_tokens.weight" in stream.untied
    found = stream.verify([given])
    assert found.passed and all(point.startswith(name) for point in found.points)
    assert float((logits(model, given) - before).abs().max()) < 1e-5
    with pytest.raises(ValueError, match="one of 'both', 'encoder', 'decoder'"):
        bridge.residual_stream(model, "middle")


def test_drift_in_half_precision_is_reported():
    model = make("Llama", torch.bfloat16)
    stream = bridge.residual_stream(model)
    stream.rotate(stream.random_rotation(0), backup=True)
    found = stream.verify([batch(model)])
    assert found.dtype == "bfloat16" and found.exact < 1e-13 and 1e-4 < found.own < 0.2
    assert "outputs in bfloat16, against the original" in str(found)


def test_the_share_of_tokens_with_other_experts_is_reported():
    model = make("Mixtral", torch.bfloat16)
    stream = bridge.residual_stream(model)
    stream.rotate(stream.random_rotation(0), backup=True)
    ids = torch.randint(3, 40, (60, 20), generator=torch.Generator().manual_seed(0))
    found = stream.verify([{"input_ids": ids}])
    assert found.exact < 1e-13 and 0 < found.experts_changed < 0.3
    assert "tokens with other experts" in str(found)
