"""Checkpoints are rotated file by file; what loads from them computes what it did."""

import json

import numpy as np
import pytest
import torch
import transformers
from benchmarks.streams import MODELS, batch, logits, make

import descrambler as ds
from descrambler.cli import main

bridge = ds.interop.torch


@pytest.mark.parametrize("name", ["Llama, tied", "GPT-2", "T5"])
def test_a_rotated_checkpoint_loads_and_is_the_same(name, tmp_path):
    model = make(name)
    given = batch(model)
    before = logits(model, given)
    old, new = tmp_path / "old", tmp_path / "new"
    model.save_pretrained(old, max_shard_size="8KB")
    assert len(list(old.glob("*.safetensors"))) > 1
    (old / "tokenizer.json").write_text("{}")
    found = bridge.rotate_checkpoint(old, new, random_state=0)
    assert found.group == ("O(d)" if name in ("Llama, tied", "T5") else "O(d-1)")
    assert len(found.sampled) == 5 and max(found.sampled.values()) < 1e-13
    assert (new / "tokenizer.json").exists()
    loaded = getattr(transformers, MODELS[name][0]).from_pretrained(new, dtype=torch.float64).eval()
    after = logits(loaded, given)
    tolerance = 1e-13 if name == "GPT-2" else 2e-6
    assert float((before - after).abs().max() / before.abs().max()) < tolerance
    stream = bridge.residual_stream(model)
    stream.rotate(bridge.residual_stream(model).random_rotation(0))
    for name_, value in model.state_dict().items():
        if name_ != "shared.weight":
            assert float((value - loaded.state_dict()[name_]).abs().max()) < 1e-12, name_
    assert set(found.untied) == set(stream.untied)


def test_a_tie_that_need_not_break_stays(tmp_path):
    model = make("Llama, tied", torch.float32)
    with torch.no_grad():
        model.model.norm.weight.fill_(1)
    before = logits(model, batch(model))
    model.save_pretrained(tmp_path / "old")
    found = bridge.rotate_checkpoint(tmp_path / "old", tmp_path / "new", random_state=0)
    assert found.untied == () and found.files == ("model.safetensors",)
    loaded = type(model).from_pretrained(tmp_path / "new").eval()
    assert loaded.lm_head.weight is loaded.model.embed_tokens.weight
    assert float((logits(loaded, batch(model)) - before).abs().max()) < 1e-4


def test_the_command(tmp_path, capsys):
    model = make("Llama", torch.float32)
    model.save_pretrained(tmp_path / "old")
    p = bridge.residual_stream(model).random_rotation(3)
    np.save(tmp_path / "p.npy", p)
    command = ["rotate", str(tmp_path / "old"), "-o", str(tmp_path / "new")]
    assert main([*command, "--rotation", str(tmp_path / "p.npy"), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["group"] == "O(d)" and max(shown["sampled"].values()) < 1e-5
    loaded = type(model).from_pretrained(tmp_path / "new").eval()
    bridge.residual_stream(model).rotate(p)
    assert torch.equal(loaded.lm_head.weight, model.lm_head.weight)
    assert main(command) == 2
    assert "not empty" in capsys.readouterr().err
    assert main([*command, "--force", "--seed", "3"]) == 0
    again = type(model).from_pretrained(tmp_path / "new").eval()
    assert torch.equal(loaded.lm_head.weight, again.lm_head.weight)
    assert "weights rotated in 1 file(s)" in capsys.readouterr().out


def test_folders_that_do_not_fit_are_refused(tmp_path):
    model = make("Llama")
    model.save_pretrained(tmp_path / "old")
    rotate = bridge.rotate_checkpoint
    with pytest.raises(ValueError, match="new or an empty folder"):
        rotate(tmp_path / "old", tmp_path / "old")
    with pytest.raises(ValueError, match=r"must hold model\.safetensors"):
        rotate(tmp_path, tmp_path / "new")
    with pytest.raises(ValueError, match="must have shape"):
        rotate(tmp_path / "old", tmp_path / "new", torch.eye(3))
    config = tmp_path / "old" / "config.json"
    content = json.loads(config.read_text())
    config.write_text(json.dumps(content | {"num_hidden_layers": 3}))
    with pytest.raises(ValueError, match=r"model\.layers\.2.*missing"):
        rotate(tmp_path / "old", tmp_path / "new")
    config.write_text(json.dumps(content | {"architectures": ["LlamaModel"]}))
    with pytest.raises(ValueError, match="under its names|with its head"):
        rotate(tmp_path / "old", tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("name", "kind"), [("Mixtral", "MixtralForCausalLM"), ("ViT", "ViTForImageClassification")]
)
def test_classes_that_are_saved_under_other_names_are_refused(tmp_path, name, kind):
    make(name).save_pretrained(tmp_path / "old")
    with pytest.raises(ValueError, match=f"weights of {kind} under its names.*in memory"):
        bridge.rotate_checkpoint(tmp_path / "old", tmp_path / "new")
    assert not (tmp_path / "new").exists()
