"""Write models and their predictions with Keras itself: python make_keras.py FOLDER."""

import os
import sys
from pathlib import Path

import numpy as np

os.environ["KERAS_BACKEND"] = "torch"
import keras  # noqa: E402  the backend is chosen when it is imported
from keras import layers  # noqa: E402


def sequential(*parts):
    return keras.Sequential([keras.Input((6,)), *parts])


def functional():
    given = keras.Input((6,), name="trace")
    x = layers.Dense(5, activation="tanh", name="first")(given)
    x = layers.BatchNormalization(name="norm", center=False)(x)
    x = layers.Dropout(0.2)(x)
    return keras.Model(given, layers.Dense(3, activation="softmax", name="second")(x))


def branched():
    given = keras.Input((6,))
    x = layers.Dense(6, name="inner")(given)
    return keras.Model(given, layers.Dense(2)(layers.Add(name="sum")([x, given])))


def shared():
    given, layer = keras.Input((6,)), layers.Dense(6, name="twice")
    return keras.Model(given, layer(layer(given)))


def models():
    yield "plain", sequential(layers.Dense(5, "relu"), layers.Dense(4, "sigmoid", use_bias=False))
    yield "functional", functional()
    norm, scaler = layers.BatchNormalization(epsilon=0.01), layers.Normalization()
    scaler.adapt(np.random.default_rng(1).normal(3, 2, (100, 6)))
    yield (
        "norms",
        sequential(scaler, layers.Dense(5), norm, layers.Activation("elu"), layers.Dense(2)),
    )
    for kind in ("LeakyReLU", "ELU", "ReLU", "Softmax"):
        yield kind, sequential(layers.Dense(5), getattr(layers, kind)(), layers.Dense(2))
    yield "layer_as_option", sequential(layers.Dense(5, activation=layers.LeakyReLU(0.1)))
    for name in (
        "exponential",
        "gelu",
        "hard_sigmoid",
        "leaky_relu",
        "selu",
        "silu",
        "softplus",
        "softsign",
    ):
        yield name, sequential(layers.Dense(5, name), layers.Dense(2))
    flat = [
        layers.Flatten(),
        layers.Dense(4, "tanh"),
        layers.Reshape((4,)),
        layers.GaussianNoise(0.1),
    ]
    yield "flat", keras.Sequential([keras.Input((2, 3)), *flat])
    yield "bad_branched", branched()
    yield "bad_shared", shared()
    yield "bad_convolution", keras.Sequential([keras.Input((6, 1)), layers.Conv1D(2, 3, name="c")])
    yield "bad_rows", keras.Sequential([keras.Input((2, 6)), layers.Dense(5)])
    yield "bad_layer_norm", sequential(layers.Dense(5), layers.LayerNormalization(name="n"))
    yield "bad_nested", sequential(sequential(layers.Dense(5)), layers.Dense(2))
    yield "bad_elu", sequential(layers.Dense(5), layers.ELU(alpha=0.5, name="e"), layers.Dense(2))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    rng = np.random.default_rng(0)
    predictions = {}
    for name, model in models():
        for weight in model.weights:
            if weight.dtype == "float32":
                low = 0.1 if "variance" in weight.path else -1
                weight.assign(rng.uniform(low, 1, weight.shape))
        model.save(folder / f"{name}.keras")
        model.save(folder / f"{name}.h5")
        if not name.startswith("bad"):
            x = rng.standard_normal((7, *model.input_shape[1:])).astype("f4")
            y = keras.ops.convert_to_numpy(model(x, training=False))
            predictions |= {f"{name}.x": x.reshape(7, -1), f"{name}.y": y}
    keras.Sequential([keras.Input((6,)), layers.Dense(5)]).save_weights(folder / "w.weights.h5")
    np.savez(folder / "predictions.npz", **predictions)
