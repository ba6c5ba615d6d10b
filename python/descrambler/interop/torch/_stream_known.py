"""Streams of the models of transformers, by class."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ._stream_spec import Stream

OLDEST = 5
# Configuration and reason of models whose stream a rotation would change.
POST_NORM = (
    "its norms come after the addition, so that their gains and shifts act on the stream itself: "
    "a rotation is no symmetry of it"
)
AFTER_WRITER = (
    "it has norms with a gain on what a branch adds to the stream: these gains do not commute with a "
    "rotation, which is no symmetry of it"
)
REFUSED = {
    "Bert": POST_NORM,
    "Roberta": POST_NORM,
    "XLMRoberta": POST_NORM,
    "DistilBert": POST_NORM,
    "Albert": POST_NORM,
    "Electra": POST_NORM,
    "MPNet": POST_NORM,
    "Deberta": POST_NORM,
    "DebertaV2": POST_NORM,
    "Bart": POST_NORM,
    "Marian": POST_NORM,
    "OpenAIGPT": POST_NORM,
    "Olmo2": AFTER_WRITER,
    "Olmo3": AFTER_WRITER,
    "Gemma2": AFTER_WRITER,
    "Gemma3": AFTER_WRITER,
    "Gemma3n": AFTER_WRITER,
}


def known(model: Any, name: str | None = None) -> Stream:
    """Return the description of a model's stream, by its class.

    Raises
    ------
    ValueError
        If the class is unknown, its stream has no such symmetry, or it has no stream of this name.
    """
    kind = type(model).__name__
    if not type(model).__module__.startswith("transformers.models."):
        raise ValueError(
            f"spec must be given for a model that is not of a known class, got {kind}: describe what writes "
            "and reads its residual stream with descrambler.interop.torch.Stream"
        )
    _check_version()
    family = re.split(r"For|Model$|LMHead|Encoder|DoubleHeads|Text", kind)[0]
    if family in REFUSED:
        raise ValueError(
            f"the stream of {kind} cannot be rotated: {REFUSED[family]}. To read its signals, use "
            "descrambler.interop.torch.capture"
        )
    if kind not in KNOWN:
        raise ValueError(
            f"{kind} is not among the known classes ({', '.join(KNOWN)}): pass one of these (a model with its "
            "head, so that the last norm has a reader), or describe the stream by spec="
        )
    streams = KNOWN[kind](model)
    if name is None:
        return streams[0]
    found = {stream.name: stream for stream in streams}
    if name not in found:
        raise ValueError(f"spec must be one of {', '.join(map(repr, found))}, got {name!r}")
    return found[name]


def _check_version() -> None:
    import transformers

    if int(transformers.__version__.split(".")[0]) < OLDEST:
        raise ValueError(
            f"transformers must be version {OLDEST} or later, got {transformers.__version__}: older versions "
            'name and store weights otherwise (experts one by one); pip install "descrambler[transformers]"'
        )


def _llama(model: Any) -> tuple[Stream, ...]:
    layer = "model.layers.*"
    writers = ["model.embed_tokens", f"{layer}.self_attn.o_proj", f"{layer}.mlp.down_proj"]
    feed = [f"{layer}.mlp.gate_proj", f"{layer}.mlp.up_proj"]
    return (_decoder(writers, feed),)


def _decoder(writers: list[str], feed: list[str], **more: Any) -> Stream:
    layer = "model.layers.*"
    norms = {
        f"{layer}.input_layernorm": [f"{layer}.self_attn.{x}_proj" for x in "qkv"],
        f"{layer}.post_attention_layernorm": feed,
        "model.norm": ["lm_head"],
    }
    return Stream(writers, norms, **more)


def _mixtral(model: Any) -> tuple[Stream, ...]:
    mlp = "model.layers.*.mlp"
    down, gate_up, router = (
        f"{mlp}.experts.down_proj",
        f"{mlp}.experts.gate_up_proj",
        f"{mlp}.gate.weight",
    )
    writers = ["model.embed_tokens", "model.layers.*.self_attn.o_proj", down]
    storage = dict.fromkeys((down, gate_up, router), "(out, in)")
    return (_decoder(writers, [router, gate_up], storage=storage, routers=[f"{mlp}.gate"]),)


def _gpt2(model: Any) -> tuple[Stream, ...]:
    if model.config.add_cross_attention:
        raise ValueError("GPT-2 with cross-attention is not among the known models: pass spec=")
    h = "transformer.h.*"
    return (
        Stream(
            ["transformer.wte", "transformer.wpe", f"{h}.attn.c_proj", f"{h}.mlp.c_proj"],
            {
                f"{h}.ln_1": [f"{h}.attn.c_attn"],
                f"{h}.ln_2": [f"{h}.mlp.c_fc"],
                "transformer.ln_f": ["lm_head"],
            },
        ),
    )


def _neox(model: Any) -> tuple[Stream, ...]:
    layer = "gpt_neox.layers.*"
    return (
        Stream(
            ["gpt_neox.embed_in", f"{layer}.attention.dense", f"{layer}.mlp.dense_4h_to_h"],
            {
                f"{layer}.input_layernorm": [f"{layer}.attention.query_key_value"],
                f"{layer}.post_attention_layernorm": [f"{layer}.mlp.dense_h_to_4h"],
                "gpt_neox.final_layer_norm": ["lm_head"],
            },
        ),
    )


def _opt(model: Any) -> tuple[Stream, ...]:
    if not model.config.do_layer_norm_before:
        raise ValueError(f"this OPT has do_layer_norm_before=False: {POST_NORM}")
    top, layer = "model.decoder", "model.decoder.layers.*"
    decoder = model.model.decoder
    small = decoder.project_in is not None
    head = [f"{top}.project_out"] if small else ["lm_head"]
    norms = {
        f"{layer}.self_attn_layer_norm": [f"{layer}.self_attn.{x}_proj" for x in "qkv"],
        f"{layer}.final_layer_norm": [f"{layer}.fc1"],
    }
    if decoder.final_layer_norm is not None:
        norms[f"{top}.final_layer_norm"] = head
    return (
        Stream(
            [
                f"{top}.project_in" if small else f"{top}.embed_tokens",
                f"{top}.embed_positions",
                f"{layer}.self_attn.out_proj",
                f"{layer}.fc2",
            ],
            norms,
            readers=() if decoder.final_layer_norm is not None else head,
        ),
    )


def _phi(model: Any) -> tuple[Stream, ...]:
    layer = "model.layers.*"
    readers = [f"{layer}.self_attn.{x}_proj" for x in "qkv"] + [f"{layer}.mlp.fc1"]
    return (
        Stream(
            ["model.embed_tokens", f"{layer}.self_attn.dense", f"{layer}.mlp.fc2"],
            {f"{layer}.input_layernorm": readers, "model.final_layernorm": ["lm_head"]},
        ),
    )


def _t5(model: Any) -> tuple[Stream, ...]:
    encoder, decoder = _t5_encoder(model), _t5_decoder(model)
    both = Stream(
        (*encoder.writers, *decoder.writers), {**encoder.norms, **decoder.norms}, name="both"
    )
    return both, encoder, decoder


def _t5_feed(model: Any, place: str) -> list[str]:
    names = ("wi_0", "wi_1") if model.config.is_gated_act else ("wi",)
    return [f"{place}.DenseReluDense.{name}" for name in names]


def _t5_encoder(model: Any) -> Stream:
    block = "encoder.block.*.layer"
    cross = "decoder.block.*.layer.1.EncDecAttention"
    return Stream(
        ["encoder.embed_tokens", f"{block}.0.SelfAttention.o", f"{block}.1.DenseReluDense.wo"],
        {
            f"{block}.0.layer_norm": [f"{block}.0.SelfAttention.{x}" for x in "qkv"],
            f"{block}.1.layer_norm": _t5_feed(model, f"{block}.1"),
            "encoder.final_layer_norm": [f"{cross}.k", f"{cross}.v"],
        },
        name="encoder",
    )


def _t5_decoder(model: Any) -> Stream:
    block = "decoder.block.*.layer"
    writers = [f"{block}.0.SelfAttention.o", f"{block}.1.EncDecAttention.o"]
    return Stream(
        ["decoder.embed_tokens", *writers, f"{block}.2.DenseReluDense.wo"],
        {
            f"{block}.0.layer_norm": [f"{block}.0.SelfAttention.{x}" for x in "qkv"],
            f"{block}.1.layer_norm": [f"{block}.1.EncDecAttention.q"],
            f"{block}.2.layer_norm": _t5_feed(model, f"{block}.2"),
            "decoder.final_layer_norm": ["lm_head"],
        },
        name="decoder",
    )


def _vit(model: Any) -> tuple[Stream, ...]:
    layer, table = "vit.layers.*", "vit.embeddings"
    writers = [f"{table}.cls_token", f"{table}.position_embeddings"]
    return (
        Stream(
            [
                *writers,
                f"{table}.patch_embeddings.projection",
                f"{layer}.attention.o_proj",
                f"{layer}.mlp.fc2",
            ],
            {
                f"{layer}.layernorm_before": [f"{layer}.attention.{x}_proj" for x in "qkv"],
                f"{layer}.layernorm_after": [f"{layer}.mlp.fc1"],
                "vit.layernorm": ["classifier"],
            },
        ),
    )


KNOWN: dict[str, Callable[[Any], tuple[Stream, ...]]] = {
    "LlamaForCausalLM": _llama,
    "MistralForCausalLM": _llama,
    "Qwen2ForCausalLM": _llama,
    "Qwen3ForCausalLM": _llama,
    "GemmaForCausalLM": _llama,
    "MixtralForCausalLM": _mixtral,
    "GPT2LMHeadModel": _gpt2,
    "GPTNeoXForCausalLM": _neox,
    "OPTForCausalLM": _opt,
    "PhiForCausalLM": _phi,
    "T5ForConditionalGeneration": _t5,
    "ViTForImageClassification": _vit,
}
