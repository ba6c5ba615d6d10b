"""Checkpoints are rotated file by file; what loads from them computes what it did."""

import json

import numpy as np
import pytest
import torch
import transformers
from benchmarks.streams import MODELS, batch, logits, make
from safetensors.torch import load_file, save_file

import descrambler as ds
from descrambler.cli import main

bridge = ds.interop.torch


def load(name, folder):
    kind = getattr(transformers, MODELS[name][0])
    model = kind.from_pretrained(folder, dtype=torch.float64).eval()
    if name == "Mixtral":
        model.config._experts_implementation = "eager"
    return model


@pytest.mark.parametrize("name", MODELS)
def test_a_rotated_checkpoint_loads_and_is_the_same(name, tmp_path):
    model = make(name)
    given = batch(model)
    before = logits(model, given)
    old, new = tmp_path / "old", tmp_path / "new"
    model.save_pretrained(old, max_shard_size="8KB")
    assert len(list(old.glob("*.safetensors"))) > 1
    (old / "tokenizer.json").write_text("{}")
    found = bridge.rotate_checkpoint(old, new, random_state=0)
    stream = bridge.residual_stream(model)
    assert found.group == stream.group
    assert len(found.sampled) == 5 and max(found.sampled.values()) < 1e-13
    assert (new / "tokenizer.json").exists()
    loaded = load(name, new)
    after = logits(loaded, given)
    tolerance = 1e-13 if found.group == "O(d-1)" else 2e-6
    assert float((before - after).abs().max() / before.abs().max()) < tolerance
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
    path = tmp_path / "old" / "model.safetensors"
    tensors = load_file(path)
    twice = tensors | {"lm_head.weight": tensors["model.embed_tokens.weight"].clone()}
    save_file(twice, path, {"format": "pt"})
    bridge.rotate_checkpoint(tmp_path / "old", tmp_path / "twice", random_state=0)
    new = load_file(tmp_path / "twice" / "model.safetensors")
    assert torch.equal(new["lm_head.weight"], new["model.embed_tokens.weight"])
    assert torch.equal(new["lm_head.weight"], loaded.lm_head.weight)


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
    with pytest.raises(ValueError, match="another folder than the checkpoint"):
        rotate(tmp_path / "old", tmp_path / "old")
    (tmp_path / "full" / "sub").mkdir(parents=True)
    with pytest.raises(ValueError, match="new or an empty folder"):
        rotate(tmp_path / "old", tmp_path / "full")
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


def test_damaged_folders_are_refused_in_one_line(tmp_path, capsys):
    make("Llama").save_pretrained(tmp_path / "old", max_shard_size="8KB")
    shard = sorted((tmp_path / "old").glob("*.safetensors"))[1]
    index, config = (
        tmp_path / "old" / name for name in ("model.safetensors.index.json", "config.json")
    )

    def refused(message, folder=tmp_path / "old", output=tmp_path / "new", *more):
        assert main(["rotate", str(folder), "-o", str(output), *more]) == 2
        shown = capsys.readouterr().err
        assert message in shown and len(shown.splitlines()) == 1
        assert not (tmp_path / "new").exists()

    capsys.readouterr()
    refused(f"No such folder: {tmp_path / 'nowhere'}", folder=tmp_path / "nowhere")
    refused("is a file: give the folder", folder=shard)
    for force in ((), ("--force",)):
        refused("another folder than the checkpoint", tmp_path / "old", tmp_path / "old", *force)
    (tmp_path / "p.npy").write_text("1")
    rotation = ("--rotation", str(tmp_path / "p.npy"))
    refused(
        f"--rotation {tmp_path / 'p.npy'} must be a .npy",
        tmp_path / "old",
        tmp_path / "new",
        *rotation,
    )
    np.save(tmp_path / "p.npy", np.eye(3))
    refused("--rotation", tmp_path / "old", tmp_path / "new", *rotation)
    config.rename(tmp_path / "config.json")
    refused("must hold config.json")
    (tmp_path / "config.json").rename(config)
    whole = shard.read_bytes()
    for size in (4, len(whole) // 2, len(whole) - 1):
        shard.write_bytes(whole[:size])
        refused(f"{shard} must be a whole safetensors file")
    shard.unlink()
    refused(f"got {shard.name} missing")
    for content, message in (("{", "must be JSON"), ("{}", "in its weight_map")):
        index.write_text(content)
        refused(message)
    index.unlink()
    refused("must hold model.safetensors")


EXPERT = "model.layers.1.block_sparse_moe.experts.2"
LAYER = "vit.encoder.layer.0"


@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        ("Mixtral", f"{EXPERT}.w1.weight"),
        ("Mixtral", f"{EXPERT}.w2.weight"),
        ("Mixtral", f"{EXPERT}.w3.weight"),
        ("Mixtral", "model.layers.0.block_sparse_moe.gate.weight"),
        ("ViT", "vit.embeddings.cls_token"),
        ("ViT", "vit.embeddings.position_embeddings"),
        ("ViT", "vit.embeddings.patch_embeddings.projection.weight"),
        ("ViT", "vit.embeddings.patch_embeddings.projection.bias"),
        ("ViT", f"{LAYER}.attention.attention.key.weight"),
        ("ViT", f"{LAYER}.attention.output.dense.bias"),
        ("ViT", f"{LAYER}.layernorm_after.bias"),
        ("ViT", f"{LAYER}.output.dense.weight"),
    ],
)
def test_a_tensor_that_is_left_out_is_heard(rotated, name, left_out, tmp_path):
    given, before, old, new = rotated(name)
    tensors = load_file(new / "model.safetensors")
    was = load_file(old / "model.safetensors")[left_out]
    assert not torch.equal(was, tensors[left_out])
    save_file(tensors | {left_out: was}, tmp_path / "model.safetensors", {"format": "pt"})
    (tmp_path / "config.json").write_text((new / "config.json").read_text())
    assert float((logits(load(name, new), given) - before).abs().max()) < 1e-5
    assert float((logits(load(name, tmp_path), given) - before).abs().max()) > 1e-3


@pytest.fixture(scope="module")
def rotated(tmp_path_factory):
    made = {}

    def make_one(name):
        if name not in made:
            path = tmp_path_factory.mktemp("rotated")
            model = make(name)
            model.save_pretrained(path / "old")
            bridge.rotate_checkpoint(path / "old", path / "new", random_state=0)
            given = batch(model)
            made[name] = given, logits(model, given), path / "old", path / "new"
        return made[name]

    return make_one


@pytest.mark.parametrize("name", ["Mixtral", "ViT"])
def test_files_with_the_names_of_the_model_are_rotated_too(rotated, name, tmp_path):
    given, before, old, _ = rotated(name)
    load(name, old).save_pretrained(tmp_path / "same", save_original_format=False)
    assert any(
        key.startswith(("vit.layers", "model.layers.0.mlp.experts.down_proj"))
        for key in load_file(tmp_path / "same" / "model.safetensors")
    )
    bridge.rotate_checkpoint(tmp_path / "same", tmp_path / "new", random_state=0)
    after = logits(load(name, tmp_path / "new"), given)
    assert float((after - before).abs().max() / before.abs().max()) < 2e-6


@pytest.mark.parametrize(
    ("name", "stored", "other"),
    [
        ("Llama", "model.embed_tokens.weight", "lm_head.weight"),
        ("GPT-NeoX", "gpt_neox.embed_in.weight", "embed_out.weight"),
    ],
)
def test_a_tie_stored_under_its_other_name_is_broken_there(name, stored, other, tmp_path):
    model = make(name, tie_word_embeddings=True)
    model.save_pretrained(tmp_path / "old")
    path = tmp_path / "old" / "model.safetensors"
    tensors = load_file(path)
    tensors[other] = tensors.pop(stored)
    save_file(tensors, path, {"format": "pt"})
    bridge.rotate_checkpoint(tmp_path / "old", tmp_path / "new", random_state=0)
    before, after = (logits(m, batch(model)) for m in (model, load(name, tmp_path / "new")))
    assert float((after - before).abs().max() / before.abs().max()) < 2e-6


def test_weights_of_zeros_are_rotated(tmp_path):
    model = make("Llama")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("proj.weight"):
                parameter.zero_()
    model.save_pretrained(tmp_path / "old")
    found = bridge.rotate_checkpoint(tmp_path / "old", tmp_path / "new", random_state=0)
    assert max(found.sampled.values()) < 1e-13
    before, after = (logits(m, batch(model)) for m in (model, load("Llama", tmp_path / "new")))
    assert float((after - before).abs().max() / before.abs().max()) < 2e-6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t | {f"{EXPERT}.w1.weight": torch.zeros(3, 16)}, r"must have shape \(24, 16\)"),
        (lambda t: {k: v for k, v in t.items() if k != f"{EXPERT}.w2.weight"}, "w2.weight missing"),
        (lambda t: t | {f"{EXPERT}.w4.weight": torch.zeros(3)}, "w4.weight beside them"),
        (lambda t: t | {"lm_head.weight": torch.zeros(40, 16, dtype=torch.int8)}, "of I8"),
    ],
)
def test_files_that_are_not_those_of_the_configuration_are_refused(
    rotated, change, message, tmp_path
):
    _, _, old, _ = rotated("Mixtral")
    (tmp_path / "old").mkdir()
    save_file(change(load_file(old / "model.safetensors")), tmp_path / "old" / "model.safetensors")
    (tmp_path / "old" / "config.json").write_text((old / "config.json").read_text())
    with pytest.raises(ValueError, match=message):
        bridge.rotate_checkpoint(tmp_path / "old", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_an_index_that_leaves_its_folder_or_its_files_is_refused(tmp_path):
    make("Llama").save_pretrained(tmp_path / "old", max_shard_size="8KB")
    path = tmp_path / "old" / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    name, file = next(iter(index["weight_map"].items()))
    other = next(f for f in index["weight_map"].values() if f != file)
    for wrong, message in (("../" + file, "in its own folder"), (other, "must hold what")):
        path.write_text(json.dumps({"weight_map": index["weight_map"] | {name: wrong}}))
        with pytest.raises(ValueError, match=message):
            bridge.rotate_checkpoint(tmp_path / "old", tmp_path / "new")
    assert not (tmp_path / "new").exists()
