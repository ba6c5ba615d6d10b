"""Networks in the memory of PyTorch and scikit-learn."""

import warnings

import numpy as np
import pytest

from descrambler.errors import WeightFileError
from descrambler.network._network import Activation, Linear
from descrambler.readers import load

RNG = np.random.default_rng(0)
BOTH = (False, True)
X = RNG.standard_normal((300, 6))
Y = np.column_stack([X[:, 0] * X[:, 1], np.sin(X[:, 2])])
LABELS = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)


class TestEstimators:
    @staticmethod
    def fit(estimator, y):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # stopped early
            return estimator.fit(X, y)

    @pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
    @pytest.mark.parametrize("sizes", [(5,), (7, 4)])
    def test_regressor(self, activation, sizes):
        from sklearn.neural_network import MLPRegressor

        model = self.fit(
            MLPRegressor(
                hidden_layer_sizes=sizes, activation=activation, max_iter=20, random_state=0
            ),
            Y,
        )
        np.testing.assert_allclose(load(model)(X), model.predict(X), rtol=1e-12, atol=1e-13)

    def test_classifiers(self):
        from sklearn.neural_network import MLPClassifier

        model = self.fit(
            MLPClassifier(hidden_layer_sizes=(5,), activation="tanh", max_iter=20, random_state=0),
            LABELS,
        )
        np.testing.assert_allclose(load(model)(X), model.predict_proba(X), rtol=1e-12)
        model = self.fit(
            MLPClassifier(hidden_layer_sizes=(5,), activation="relu", max_iter=20, random_state=0),
            LABELS > 0,
        )
        np.testing.assert_allclose(load(model)(X)[:, 0], model.predict_proba(X)[:, 1], rtol=1e-12)

    def test_float32(self):
        from sklearn.neural_network import MLPRegressor

        single = X.astype("f4")
        model = MLPRegressor(
            hidden_layer_sizes=(5,), activation="tanh", max_iter=2000, random_state=0
        ).fit(single, Y.astype("f4"))
        network = load(model)
        assert network.linear(1).weight.dtype == np.float32
        np.testing.assert_allclose(network(single), model.predict(single), rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("scaler", ["StandardScaler", "MinMaxScaler"])
    def test_pipelines(self, scaler):
        from sklearn import preprocessing
        from sklearn.neural_network import MLPRegressor
        from sklearn.pipeline import make_pipeline

        network = MLPRegressor(
            hidden_layer_sizes=(5,), activation="tanh", max_iter=20, random_state=0
        )
        model = self.fit(make_pipeline(getattr(preprocessing, scaler)(), network), Y)
        np.testing.assert_allclose(load(model)(X), model.predict(X), rtol=1e-11, atol=1e-12)

    @staticmethod
    def perceptron(**options):
        from sklearn.neural_network import MLPRegressor

        return MLPRegressor(
            **{"hidden_layer_sizes": (5,), "activation": "tanh", "max_iter": 20, "random_state": 0}
            | options
        )

    def agrees(self, model, y=Y, tolerance=1e-11):
        self.fit(model, y)
        np.testing.assert_allclose(
            load(model)(X).reshape(model.predict(X).shape), model.predict(X), rtol=0, atol=tolerance
        )

    @pytest.mark.parametrize(
        "scaler",
        [
            *(f"StandardScaler(with_mean={m}, with_std={s})" for m in BOTH for s in BOTH),
            "MaxAbsScaler()",
            "MinMaxScaler((-1, 3))",
            "RobustScaler()",
            "RobustScaler(with_centering=False)",
            "RobustScaler(with_scaling=False)",
            "PCA(4)",
            "PCA(3, whiten=True)",
            "TruncatedSVD(3)",
            "VarianceThreshold(0.5)",
        ],
    )
    def test_affine_steps(self, scaler):
        from sklearn import decomposition, feature_selection, preprocessing
        from sklearn.pipeline import make_pipeline

        known = vars(decomposition) | vars(feature_selection) | vars(preprocessing)
        self.agrees(make_pipeline(eval(scaler, dict(known)), self.perceptron()))

    def test_switches_after_the_fit(self):
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import RobustScaler, StandardScaler

        for scaler in (StandardScaler(), RobustScaler()):
            model = self.fit(make_pipeline(scaler, self.perceptron()), Y)
            for switch in ("with_mean", "with_centering", "with_std", "with_scaling"):
                if switch in scaler.get_params():
                    scaler.set_params(**{switch: False})
                    np.testing.assert_allclose(load(model)(X), model.predict(X), atol=1e-12)

    def test_nested(self):
        from sklearn.compose import TransformedTargetRegressor
        from sklearn.model_selection import GridSearchCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import MinMaxScaler, StandardScaler

        import descrambler as ds

        inner = make_pipeline(StandardScaler(), "passthrough", self.perceptron())
        self.agrees(make_pipeline(make_pipeline(MinMaxScaler()), inner))
        self.agrees(GridSearchCV(self.perceptron(), {"alpha": [0.1, 1]}, cv=2))
        for y in (100 + 30 * Y, 100 + 30 * Y[:, 0]):
            self.agrees(TransformedTargetRegressor(inner, transformer=StandardScaler()), y)
        self.agrees(make_pipeline(ds.interop.sklearn.Descrambler(), self.perceptron()))

    def test_two_labels_are_not_two_classes(self):
        from sklearn.neural_network import MLPClassifier

        model = MLPClassifier(hidden_layer_sizes=(5,), max_iter=20, random_state=0)
        self.fit(model, X[:, :2] > 0)
        np.testing.assert_allclose(load(model)(X), model.predict_proba(X), rtol=1e-12)

    def test_inputs_far_from_zero(self):
        """Rounding of large inputs is no difference."""
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        model = make_pipeline(StandardScaler(), self.perceptron())
        far = X + 1e9
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(far, Y)
        np.testing.assert_allclose(load(model)(far), model.predict(far), atol=1e-5)

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            ("Ridge().fit(X, Y)", "Ridge: not a step that is read; descrambler reads MLPRegressor"),
            ("MLPRegressor()", "MLPRegressor: not fitted"),
            ("StandardScaler()", "StandardScaler: not fitted"),
            ("GridSearchCV(MLPRegressor(), {})", "GridSearchCV: has no best_estimator_"),
            ("TransformedTargetRegressor(MLPRegressor())", "Regressor: not fitted"),
            ("make_pipeline(MinMaxScaler(clip=True).fit(X))", "MinMaxScaler: it clips"),
            ("make_pipeline(PowerTransformer())", "PowerTransformer: is not linear"),
            ("make_pipeline(FunctionTransformer())", "FunctionTransformer: runs a function"),
            ("make_pipeline(StandardScaler().fit(X))", "no dense layers"),
        ],
    )
    def test_refuses(self, make, message):
        from sklearn import compose, linear_model, model_selection, neural_network, preprocessing
        from sklearn.pipeline import make_pipeline

        rooms = (compose, linear_model, model_selection, neural_network, preprocessing)
        known = {k: v for room in rooms for k, v in vars(room).items()}
        model = eval(make, known | {"make_pipeline": make_pipeline, "X": X, "Y": Y})
        with pytest.raises(WeightFileError, match=message):
            load(model)

    def test_refuses_targets_that_are_not_scaled(self):
        from sklearn.compose import TransformedTargetRegressor

        model = TransformedTargetRegressor(self.perceptron(), func=np.log, inverse_func=np.exp)
        with pytest.raises(WeightFileError, match="FunctionTransformer, which is not one of"):
            load(self.fit(model, Y + 9))

    def test_refuses_what_computes_something_else(self):
        from sklearn.neural_network import MLPRegressor

        class Doubled(MLPRegressor):
            def predict(self, X):
                return 2 * super().predict(X)

        class Copied(MLPRegressor):
            def __deepcopy__(self, memo):
                raise RuntimeError("no")

        for kind, message in ((Doubled, "differ by 0.5 of the largest"), (Copied, "no copy")):
            with pytest.raises(WeightFileError, match=f"{kind.__name__}: .*{message}"):
                load(self.fit(kind(max_iter=5), Y))

    def test_names_its_own_activations(self):
        from sklearn.neural_network import MLPRegressor

        with pytest.raises(ValueError, match="MLPRegressor names its own"):
            load(MLPRegressor(), ["tanh"])


@pytest.mark.parametrize("thing", [3, None, {"W1": X}, X])
def test_other_things(thing):
    with pytest.raises(TypeError, match="source must be a path, a torch.nn.Module, a scikit"):
        load(thing)


class TestModules:
    @pytest.fixture(autouse=True)
    def torch(self):
        torch = pytest.importorskip("torch", reason="PyTorch (the extra `torch`) is not installed")
        torch.manual_seed(0)
        return torch

    @staticmethod
    def check(module, x=X, dtype="f4"):
        import torch

        module.eval()
        x = x.astype(dtype)
        network = load(module)
        theirs = module(torch.from_numpy(x)).detach().numpy()
        found = network(x.reshape(len(x), -1))
        assert found.dtype == theirs.dtype
        tolerance = 1e-5 if dtype == "f4" else 1e-12
        np.testing.assert_allclose(found, theirs, rtol=tolerance, atol=tolerance / 5)
        return network

    def test_sequential(self, torch):
        nn = torch.nn
        norm = nn.BatchNorm1d(5)
        module = nn.Sequential(nn.Linear(6, 5), norm, nn.ELU(), nn.Sequential(nn.Linear(5, 4)))
        module(1 + 2 * torch.randn(50, 6))  # gives the batch norm statistics
        network = self.check(module)
        assert [type(layer) for layer in network.layers] == [Linear, Activation, Linear]
        self.check(module.double(), dtype="f8")

    def test_single_layer(self, torch):
        self.check(torch.nn.Linear(6, 4))

    @pytest.mark.parametrize(
        ("make", "name"),
        [
            ("ELU()", "elu"),
            ("CELU()", "elu"),
            ("CELU(0.5)", "elu"),
            ("Hardswish()", "hard_swish"),
            ("Hardtanh(0, 6)", "relu6"),
            ("Hardtanh(-0.5, 2)", "hard_tanh"),
            ("LogSigmoid()", "log_logistic"),
            ("LogSoftmax(-1)", "log_softmax"),
            ("Mish()", "mish"),
            ("PReLU()", "leaky_relu"),
            ("PReLU(5)", "leaky_relu"),
            ("RReLU()", "leaky_relu"),
            ("ReLU6()", "relu6"),
            ("Softplus(2)", "softplus"),
            ("Threshold(0, 0)", "relu"),
            ("GELU()", "gelu"),
            ("GELU('tanh')", "gelu_tanh"),
            ("Hardsigmoid()", "hard_sigmoid"),
            ("Hardtanh()", "hard_tanh"),
            ("LeakyReLU(0.3)", "leaky_relu"),
            ("ReLU(inplace=True)", "relu"),
            ("SELU()", "selu"),
            ("SiLU()", "silu"),
            ("Sigmoid()", "logistic"),
            ("Softmax(1)", "softmax"),
            ("Softplus()", "softplus"),
            ("Softsign()", "softsign"),
            ("Tanh()", "tanh"),
        ],
    )
    def test_modules_of_activations(self, torch, make, name):
        nn = torch.nn
        module = nn.Sequential(nn.Linear(6, 5), eval(f"nn.{make}"), nn.Dropout(), nn.Linear(5, 2))
        assert self.check(module).layers[1].name == name

    @pytest.mark.parametrize(
        ("code", "name"),
        [
            ("F.elu(x)", "elu"),
            ("F.gelu(x, approximate='tanh')", "gelu_tanh"),
            ("F.hardsigmoid(x)", "hard_sigmoid"),
            ("F.hardtanh(x)", "hard_tanh"),
            ("F.log_softmax(x, 1)", "log_softmax"),
            ("F.softplus(x, beta=2)", "softplus"),
            ("torch.relu_(x).float()", "relu"),
            ("x.clamp(min=0)", "relu"),
            ("x.clamp_(0, 6)", "relu6"),
            ("x.clamp(max=1)", "relu"),
            ("torch.clamp(x, min=0.2)", "relu"),
            ("F.hardtanh(x, -0.3, 0.7)", "hard_tanh"),
            ("F.prelu(x, torch.tensor([0.3]))", "leaky_relu"),
            ("x.to(self.first.weight.dtype).tanh()", "tanh"),
            ("1.7159 * torch.tanh(x * 2 / 3)", "tanh"),
            ("F.leaky_relu(x, 0.3)", "leaky_relu"),
            ("F.relu(x)", "relu"),
            ("x.relu()", "relu"),
            ("F.silu(x)", "silu"),
            ("F.softmax(x, dim=-1)", "softmax"),
            ("x.softmax(1)", "softmax"),
            ("F.softplus(x)", "softplus"),
            ("F.softsign(x)", "softsign"),
            ("torch.exp(x)", "exponential"),
            ("torch.sigmoid(x)", "logistic"),
            ("torch.tanh(F.dropout(x, training=self.training))", "tanh"),
            ("x.tanh()", "tanh"),
        ],
    )
    def test_functions_in_a_forward_pass(self, torch, code, name):
        assert self.check(model(torch, [f"x = {code}"])).layers[1].name == name

    @pytest.mark.parametrize(
        "code",
        [
            "torch.flatten(x, 1)",
            "x.flatten(1)",
            "x.view(x.size(0), -1)",
            "x.view(-1, 6)",
            "x.reshape(x.shape[0], 6)",
        ],
    )
    def test_pictures_made_flat(self, torch, code):
        self.check(model(torch, [], [f"x = {code}"]), X.reshape(300, 1, 2, 3))

    @pytest.mark.parametrize(
        ("lines", "message"),
        [
            (["x = x + self.first(given)"], "'first_1'.* does not take the output|'first'"),
            (["x = x * torch.sigmoid(x)"], "does not take the output of the one before"),
            (["x = F.log_softmax(x, 0)"], r"'log_softmax' \(log_softmax\): not a dense layer"),
            (["x = F.softmax(x, 0)"], "softmax"),
            (["x = x**2"], r"\(pow\): not a dense layer"),
            (["x = x.clamp(1, -1)"], "clamp"),
            (["x = x * x"], r"'mul' \(mul\): not a dense layer"),
            (["x = x.half()"], "half"),
            (["x.relu_()"], "does not take the output of the one before"),
            (["x = x.view(-1, 1)"], "view"),
            (["if x.sum() > 0: x = x.relu()"], "cannot be traced"),
            (["x = F.elu(x, 0.5)"], "elu"),
        ],
    )
    def test_refuses_forward_passes(self, torch, lines, message):
        with pytest.raises(WeightFileError, match=message) as info:
            load(model(torch, lines))
        assert str(info.value).startswith("Model")
        assert "interop.torch.capture" in str(info.value)

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            ("Conv1d(6, 5, 1)", "'1': a convolution takes .* but gets rows"),
            ("LayerNorm(5)", "LayerNorm"),
            ("ELU(0.5)", "ELU"),
            ("Softmax(dim=0)", "Softmax"),
            ("BatchNorm1d(5, track_running_stats=False)", "no running statistics"),
            ("BatchNorm1d(6)", "6 numbers do not fit rows of 5"),
        ],
    )
    def test_refuses_modules(self, torch, make, message):
        nn = torch.nn
        with pytest.raises(WeightFileError, match=message):
            load(nn.Sequential(nn.Linear(6, 5), eval(f"nn.{make}"), nn.Linear(5, 2)))

    def test_refuses_numbers_that_make_no_network(self, torch):
        module = torch.nn.Linear(6, 5)
        with torch.no_grad():
            module.weight[0, 0] = np.nan
        with pytest.raises(WeightFileError, match="weight must be finite"):
            load(module)
        with pytest.raises(WeightFileError, match="no dense layers"):
            load(torch.nn.ReLU())
        with pytest.raises(WeightFileError, match="weight: is on the device 'meta'"):
            load(torch.nn.Linear(6, 5, device="meta"))

    def test_half_precision_is_read_as_float32(self, torch):
        assert load(torch.nn.Linear(6, 5).bfloat16()).linear(1).weight.dtype == np.float32


def model(torch, between, before=()):
    """A module with two layers and the given lines of code in its forward pass."""
    body = [*before, "x = self.first(x)", *between, "x = self.second(x)", "return x"]
    lines = ["def forward(self, x):", "    given = x", *(f"    {line}" for line in body)]
    scope = {"F": torch.nn.functional, "torch": torch}
    exec("\n".join(lines), scope)

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = torch.nn.Linear(6, 5), torch.nn.Linear(5, 2)

        forward = scope["forward"]

    return Model()
