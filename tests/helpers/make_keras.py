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


def arithmetic(operation):
    given = keras.Input((6,))
    return keras.Model(given, layers.Dense(3)(operation(given)))


def maps():
    """Models with affine maps that are no dense layers, and inputs of other shapes."""
    x = np.random.default_rng(2).normal(3, 2, (100, 6))
    for name, options in (("all", {"axis": None}), ("back", {"invert": True})):
        scaler = layers.Normalization(**options)
        scaler.adapt(x)
        yield f"normalization_{name}", sequential(scaler, layers.Dense(3))
    numbers = {"mean": x[0], "variance": x[1] ** 2}
    yield "normalization_given", sequential(layers.Normalization(**numbers), layers.Dense(3))
    one = layers.Normalization(axis=None, mean=1.5, variance=4.0)
    two = layers.Normalization(mean=x[0], variance=x[1] ** 2, invert=True)
    yield "normalizations", sequential(one, layers.Dense(6, "relu"), two, layers.Dense(2))
    scales = layers.Rescaling([1.0, 2, 3, 4, 5, 6], offset=0.5), layers.Rescaling(4, offset=-2)
    yield "rescalings", sequential(scales[0], layers.Dense(3, "sigmoid"), scales[1])
    vector = np.arange(1, 7, dtype="f4")
    yield "arithmetic", arithmetic(lambda x: -(1.0 - x * vector) / 2.0 + vector - 3.0)
    yield "operations", arithmetic(lambda x: keras.ops.gelu(keras.ops.add(vector, x)))
    yield (
        "prelu",
        sequential(layers.Dense(5), layers.PReLU("ones", shared_axes=[1]), layers.Dense(2)),
    )
    yield "relu6_layer", sequential(layers.Dense(5), layers.ReLU(6.0), layers.Dense(2))
    norm, channels = layers.BatchNormalization(axis=1), layers.Normalization(axis=2)
    channels.adapt(x.reshape(100, 2, 3))
    picture = [channels, norm, layers.Rescaling([1.0, 2.0, 3.0]), layers.Flatten()]
    yield "pictures", keras.Sequential([keras.Input((2, 3)), *picture, layers.Dense(4)])
    yield (
        "columns",
        keras.Sequential(
            [
                keras.Input((6, 1)),
                layers.Permute((2, 1)),
                layers.Dense(4, "softmax"),
                layers.Flatten(),
            ]
        ),
    )
    yield (
        "reshaped",
        keras.Sequential(
            [keras.Input((6, 1)), layers.Reshape((3, 2)), layers.Reshape((-1,)), layers.Dense(4)]
        ),
    )
    last = layers.BatchNormalization()
    yield "last_norm", sequential(layers.Dense(3, "tanh"), last, layers.Identity())


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
    for name in ("relu6", "hard_silu", "mish", "log_sigmoid", "log_softmax", "hard_tanh"):
        yield name, sequential(layers.Dense(5), layers.Activation(name), layers.Dense(2))
    yield from maps()
    yield (
        "bad_channels",
        keras.Sequential(
            [keras.Input((2, 3)), layers.Flatten("channels_first", name="f"), layers.Dense(2)]
        ),
    )
    yield "bad_squared", arithmetic(lambda x: x * x)
    yield "bad_quotient", arithmetic(lambda x: 2.0 / x)
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
