"""Copy trained DEERNets into the package without their first weights, which `pretrained` draws again from the seed.

python benchmarks/ship_weights.py build/weights/*.npz
"""

import sys
from pathlib import Path

import numpy as np

import descrambler as ds
from descrambler.deer._pretrained import untrained

WEIGHTS = Path(__file__).parents[1] / "python/descrambler/deer/weights"

for path in map(Path, sys.argv[1:]):
    network = ds.load(path)
    again = untrained(network)
    for kept, drawn in zip(network.initial.linears, again.linears, strict=True):
        np.testing.assert_array_equal(kept.weight, drawn.weight)
    ds.Network(network.layers, provenance=network.provenance).save(WEIGHTS / path.name)
