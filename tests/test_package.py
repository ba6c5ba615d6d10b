"""The installation: versions, variants of the core, what importing loads."""

import importlib
import importlib.metadata
import importlib.resources
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import descrambler as ds

RUN = """
import sys, numpy as np, descrambler as ds
rng = np.random.default_rng(0)
x = rng.standard_normal((300, 24)) * np.linspace(1, 0.3, 24)
q = rng.standard_normal((24, 24)) / 10
q = q - q.T
net = ds.Network([ds.Linear(rng.standard_normal((24, 24)) / 5), ds.Activation("tanh")])
short = ds.descramble(x, method="riemannian-lbfgs", max_iter=5)
np.savez(sys.argv[1], cayley=ds.group.cayley(q), exp=ds.group.exp(q), log=ds.group.log(ds.group.exp(q)),
    polar=ds.group.polar(np.eye(24) + q), gram=net.gram(x, 1, "after").matrix,
    gradient=ds.criteria.Smoothness().value_and_gradient(ds.group.cayley(q), signals=x)[1],
    short=short.objective, exact=ds.descramble(x).rotation.matrix)
ds.show_config()
"""


def python(code, *arguments, **environment):
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | environment
    )


def test_one_version():
    core = importlib.import_module("descrambler._core")
    assert ds.__version__ == importlib.metadata.version("descrambler") == core.__version__
    root = Path(__file__).parents[1]
    assert f"\nversion: {ds.__version__}\n" in (root / "CITATION.cff").read_text()
    assert f"\n## {ds.__version__} " in (root / "CHANGELOG.md").read_text()


def test_licences_of_what_is_compiled_in_are_installed():
    files = importlib.metadata.files("descrambler")
    texts = [file.read_text() for file in files if "licenses" in file.parts]
    for name in ("MIT License", "Eigen", "Wenzel Jakob"):
        assert any(name in text for text in texts)


def test_import_loads_nothing_heavy_or_optional():
    slow = "matplotlib tqdm scipy.stats scipy.optimize scipy.ndimage scipy.signal scipy.sparse scipy.spatial"
    optional = "torch keras onnx onnxruntime sklearn dask distributed h5py matio pandas safetensors jinja2 bokeh"
    roots = {*slow.split(), *optional.split()}
    done = python(
        f"import sys, descrambler; print(sorted({roots} & set(sys.modules)), len(sys.modules))"
    )
    found, number = done.stdout.rsplit(" ", 1)
    assert found == "[]", done.stderr
    assert int(number) < 900  # 669, of which NumPy and SciPy's linear algebra are most


def test_variants_agree(tmp_path):
    supported = importlib.import_module("descrambler._core._isa").supported()
    *better, _ = (x for x in supported if importlib.util.find_spec(f"descrambler._core.{x}"))
    if not better:
        pytest.skip("the baseline alone is built, or runs on this processor")
    results = {}
    for variant in ("baseline", *better):
        done = python(RUN, str(tmp_path / f"{variant}.npz"), DESCRAMBLER_ISA=variant)
        assert done.returncode == 0, done.stderr
        assert variant in done.stdout
        with np.load(tmp_path / f"{variant}.npz") as archive:
            results[variant] = dict(archive)
    for variant in better:
        for name, value in results[variant].items():
            other = results["baseline"][name]
            assert np.abs(value - other).max() <= 1e-13 * np.abs(other).max(), (variant, name)


def test_an_unknown_variant_is_refused():
    done = python("import descrambler", DESCRAMBLER_ISA="sse9")
    assert done.returncode != 0
    assert "DESCRAMBLER_ISA must be one of" in done.stderr


# As where a build for an older machine was copied to.
OTHERS_LEFT_OUT = """
import importlib.util
find = importlib.util.find_spec
left_out = (".avx2", ".avx512")
importlib.util.find_spec = lambda name, package=None: None if name in left_out else find(name, package)
import descrambler as ds
ds.show_config()
"""


def test_a_build_without_the_best_variant_uses_what_it_has():
    done = python(OTHERS_LEFT_OUT, DESCRAMBLER_ISA="")
    assert done.returncode == 0, done.stderr
    assert "baseline" in done.stdout


def test_a_variant_that_was_not_built_is_refused():
    if "avx2" not in importlib.import_module("descrambler._core._isa").supported():
        pytest.skip("the processor does not run it, which has a message of its own")
    done = python(OTHERS_LEFT_OUT, DESCRAMBLER_ISA="avx2")
    assert done.returncode != 0
    assert "only ['baseline'] was built" in done.stderr
    assert "DESCRAMBLER_VARIANTS=all" in done.stderr


def test_public_names_exist_and_are_documented():
    for name in ds.__all__:
        assert getattr(ds, name).__doc__, name


def test_typed():
    files = importlib.metadata.files("descrambler") or []
    package = importlib.resources.files("descrambler")
    assert (package / "py.typed").is_file()
    assert (package / "_core" / "__init__.pyi").is_file()
    assert files
