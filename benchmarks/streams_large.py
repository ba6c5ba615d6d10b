"""Time, memory and drift of a rotation at the shapes of a Llama with d = 2048.

``python -m benchmarks.streams_large LAYERS VOCABULARY [verify]`` makes random weights in bf16, then in fp16; 22 layers and 32000 words are a
model of 1.1 billion parameters. Times are those of the processor, so that other processes do not matter; run it with one thread.
"""

from __future__ import annotations

import resource
import sys
import time

import torch
import transformers
from torch.nn import init

import descrambler as ds

SHAPES = {
    "hidden_size": 2048,
    "intermediate_size": 5632,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
}


def make(layers, words, dtype):
    """Build the model in its dtype, gains not trivial."""
    torch.manual_seed(0)
    torch.set_default_dtype(dtype)
    try:
        config = transformers.LlamaConfig(
            **SHAPES, num_hidden_layers=layers, vocab_size=words, eos_token_id=2
        )
        model = transformers.LlamaForCausalLM(config).eval()
    finally:
        torch.set_default_dtype(torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                init.uniform_(parameter, 0.5, 1.5)
            else:
                init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
    return model


def gflops():
    """Measure the rate of the product that the rotation consists of."""
    a, b = (torch.randn(2048, 2048, dtype=torch.float64) for _ in range(2))
    times = []
    for _ in range(4):
        start = time.process_time()
        a @ b
        times.append(time.process_time() - start)
    return 2 * 2048**3 / min(times) / 1e9


def peak():
    """Return the peak memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(layers, words, verify):
    """Print one row per dtype."""
    for dtype in (torch.bfloat16, torch.float16):
        model = make(layers, words, dtype)
        ids = torch.randint(words, (1, 32), generator=torch.Generator().manual_seed(1))
        size = sum(p.numel() for p in model.parameters())
        stream = ds.interop.torch.residual_stream(model, None, {"input_ids": ids})
        p = stream.random_rotation(0)
        weights = [w.parameter.numel() for w in stream._parts().weights()]
        bound = 2 * 2048 * sum(weights) / gflops() / 1e9
        before, start = peak(), time.process_time()
        stream.rotate(p, backup=verify)
        seconds = time.process_time() - start
        print(
            f"{layers} layers, {size / 1e6:.0f} million parameters ({2 * size / 2**20:.0f} MiB in {dtype}): "
            f"{seconds:.1f} s, flop bound {bound:.1f} s; peak memory {before:.0f} MiB before, {peak():.0f} MiB after",
            flush=True,
        )
        if verify:
            print(stream.verify([{"input_ids": ids}]), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), "verify" in sys.argv)
