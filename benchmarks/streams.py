"""Small transformers with random weights, and how far each lies from itself after a fold and a rotation.

``python -m benchmarks.streams`` prints the table of docs/transformers.md.
"""

from __future__ import annotations

import torch
import transformers

import descrambler as ds

SIZES = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 40,
    "max_position_embeddings": 32,
}
GROUPED = SIZES | {"num_key_value_heads": 2}
SPECIAL = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
MODELS = {
    "Llama": ("LlamaForCausalLM", GROUPED | {"attention_bias": True, "mlp_bias": True}),
    "Llama, tied": ("LlamaForCausalLM", GROUPED | {"tie_word_embeddings": True}),
    "Mistral": ("MistralForCausalLM", GROUPED),
    "Qwen2": ("Qwen2ForCausalLM", GROUPED),
    "Qwen3": ("Qwen3ForCausalLM", GROUPED | {"head_dim": 8}),
    "Mixtral": ("MixtralForCausalLM", GROUPED | {"num_local_experts": 4}),
    "Gemma": ("GemmaForCausalLM", GROUPED | {"head_dim": 8}),
    "GPT-2": (
        "GPT2LMHeadModel",
        {"n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 32, "vocab_size": 40},
    ),
    "GPT-NeoX": ("GPTNeoXForCausalLM", SIZES),
    "OPT": (
        "OPTForCausalLM",
        {k: v for k, v in SIZES.items() if k != "intermediate_size"}
        | {"ffn_dim": 24, "word_embed_proj_dim": 16},
    ),
    "Phi": ("PhiForCausalLM", SIZES),
    "T5": (
        "T5ForConditionalGeneration",
        {"vocab_size": 40, "d_model": 16, "d_kv": 4, "d_ff": 24, "num_layers": 2, "num_heads": 4},
    ),
    "ViT": (
        "ViTForImageClassification",
        {k: v for k, v in SIZES.items() if k not in ("vocab_size", "max_position_embeddings")}
        | {"image_size": 8, "patch_size": 4, "num_labels": 5},
    ),
}


def make(name, dtype=torch.float64, **changes):
    """Build a model in evaluation mode whose gains and biases are not trivial."""
    kind, sizes = MODELS[name]
    model_class = getattr(transformers, kind)
    special = {} if name == "ViT" else SPECIAL
    if name == "T5":
        special = special | {"decoder_start_token_id": 0}
    config = model_class.config_class(**(sizes | special | changes))
    if name == "Mixtral":
        config._experts_implementation = "eager"  # the others have no float64
    torch.manual_seed(0)
    model = model_class(config).eval()
    return scrambled(model).to(dtype)


def scrambled(model):
    """Set random weights in place."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim == 1:
                parameter.add_(0.3 * noise)
            else:
                parameter.copy_(noise * parameter.shape[-1] ** -0.5)
    return model


def batch(model, seed=2):
    """Return tokens or images for a model."""
    generator = torch.Generator().manual_seed(seed)
    like = next(model.parameters())
    if model.main_input_name == "pixel_values":
        return {"pixel_values": torch.randn(2, 3, 8, 8, generator=generator).to(like)}
    ids = torch.randint(3, 40, (2, 7), generator=generator)
    more = {"decoder_input_ids": ids.flip(1)} if model.config.is_encoder_decoder else {}
    return {"input_ids": ids} | more


def logits(model, given):
    """Return the logits of a model."""
    with torch.no_grad():
        return model(**given).logits


def main():
    """Print the table."""
    print("| model | mode | exact for | all in float64 | stream | own forward | in float32 |")
    print("|---|---|---|---|---|---|---|")
    for name in MODELS:
        for keep in (True, False):
            model = make(name)
            stream = ds.interop.torch.residual_stream(model)
            group = stream.group
            if not keep and group == "O(d)":
                continue
            stream.fold(keep_architecture=keep)
            stream.rotate(stream.random_rotation(0))
            wide = stream.verify([batch(model)])
            model = make(name, torch.float32)
            stream = ds.interop.torch.residual_stream(model)
            stream.fold(keep_architecture=keep, backup=True)
            stream.rotate(stream.random_rotation(0))
            own = stream.verify([batch(model)]).own
            mode = "class kept" if keep else "RMS"
            most = max(wide.points.values())
            print(
                f"| {name} | {mode} | {group if keep else 'O(d)'} | {wide.exact:.1e} | {most:.1e} "
                f"| {wide.forward:.1e} | {own:.1e} |"
            )


if __name__ == "__main__":
    main()
