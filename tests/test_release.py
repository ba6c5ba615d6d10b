"""What is released: contents of wheels, files that repeat what pyproject.toml says, names in scripts."""

import importlib.metadata
import json
import re
from pathlib import Path

import pytest
from contents import faults

import descrambler as ds

ROOT = Path(__file__).parents[1]
WHEEL = [
    "descrambler/__init__.py",
    "descrambler/py.typed",
    "descrambler/_core/__init__.pyi",
    "descrambler/_core/_isa.pyd",
    "descrambler/_core/baseline.pyd",
    "descrambler/deer/weights/net.npz",
    "descrambler/report/_html/page.css",
    "descrambler-1.dist-info/METADATA",
    "descrambler-1.dist-info/entry_points.txt",
    "descrambler-1.dist-info/licenses/LICENSE",
    "descrambler-1.dist-info/licenses/licenses/pybind11.txt",
]


def project(table):
    tomllib = pytest.importorskip("tomllib", reason="in Python from 3.11")
    return tomllib.loads((ROOT / "pyproject.toml").read_text())[table]


def bare(requirement):
    """Return a requirement as conda writes it: the name, and the versions without the extra and spaces."""
    name, versions = re.fullmatch(r"([\w-]+)(?:\[.*?\])?\s*([^;]*)", requirement).groups()
    name = {"matplotlib": "matplotlib-base", "cmeel-eigen": "eigen"}.get(name, name)
    return name, ",".join(sorted(versions.strip().split(",")))


def needed_by_recipe(section):
    text = (ROOT / "recipe/recipe.yaml").read_text()
    lines = re.search(rf"\n  {section}:\n((?:    - .*\n)+)", text).group(1).splitlines()
    return dict(bare(line.strip(" -")) for line in lines)


def test_contents_of_a_wheel_are_judged():
    assert faults(WHEEL, 7_900_000) == []
    assert faults(WHEEL, 8_000_000) == ["8.00 MB, 8 or more"]
    for name in WHEEL:
        if "_html" not in name:
            assert len(faults([other for other in WHEEL if other != name], 0)) == 1, name
    for name in ("tests/test_core.py", "benchmarks/run.py", "descrambler/core.hpp", "x.npz"):
        assert any(name in fault for fault in faults([*WHEEL, name], 0)), name
    assert faults([*WHEEL, "descrambler/_core/test_module.py"], 0)


def test_contents_of_this_installation():
    try:
        files = importlib.metadata.files("descrambler") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("imported from its sources, not installed")
    ours = [file for file in files if file.parts[0].startswith("descrambler")]
    names = [file.as_posix() for file in ours if "__pycache__" not in file.parts]
    if "descrambler/__init__.py" not in names:
        pytest.skip("this installation is editable")
    assert faults(names, 0) == []
    assert sum(Path(file.locate()).stat().st_size for file in ours) < 16_000_000  # with bytecode


def test_the_recipe_needs_what_the_package_needs():
    expected = dict(map(bare, project("project")["dependencies"]))
    assert needed_by_recipe("run") == expected | {"python": ""}


def test_the_recipe_builds_with_what_the_build_requires():
    host = needed_by_recipe("host")
    for name, versions in map(bare, project("build-system")["requires"]):
        if (
            name == "eigen"
        ):  # conda-forge has Eigen itself, of any version that CMakeLists.txt takes
            assert host[name] == "<6,>=3.4"
            assert "find_package(Eigen3 3.4...<6 " in (ROOT / "CMakeLists.txt").read_text()
        else:
            assert host[name] == versions
    assert set(host) == {"python", "pip", "scikit-build-core", "pybind11", "eigen"}


def test_files_that_repeat_the_version_and_the_title():
    assert f'\n  version: "{ds.__version__}"\n' in (ROOT / "recipe/recipe.yaml").read_text()
    title = json.loads((ROOT / ".zenodo.json").read_text())["title"]
    assert f'\ntitle: "{title}"\n' in (ROOT / "CITATION.cff").read_text()


def test_wheels_are_for_the_pythons_that_are_promised():
    pythons = {name.removesuffix("-*") for name in project("tool")["cibuildwheel"]["build"]}
    oldest = re.fullmatch(r">=3\.(\d+)", project("project")["requires-python"]).group(1)
    assert f"cp3{oldest}" == min(pythons)
    promised = re.findall(r":: Python :: 3\.(\d+)", "\n".join(project("project")["classifiers"]))
    assert {f"cp3{minor}" for minor in promised} <= pythons


@pytest.mark.skipif(not (ROOT / ".github").is_dir(), reason="the source archive has no .github")
def test_targets_that_workflows_call_exist():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    texts = [path.read_text() for path in (ROOT / ".github/workflows").glob("*.yml")]
    texts.append(project("tool")["cibuildwheel"]["test-command"])
    called = re.findall(r"\bmake (?:-C \S+ )?([\w-]+)", "\n".join(texts))
    assert {"test-core", "test-wheel"} <= set(called) <= targets


@pytest.mark.skipif(not (ROOT / ".ci").is_dir(), reason="the source archive has no .ci")
def test_tests_that_scripts_name_exist():
    texts = [path.read_text() for path in (ROOT / ".ci").iterdir()]
    word = r"(?<![\w$/])tests/[\w/]+(?:\{[\w,]+\})?(?:\.py)?(?:::\w+(?:\{[\w,]+\})?)?"
    named = re.findall(word, "\n".join(texts))
    for before, names, after in (re.split(r"[{}]", name + "{}")[:3] for name in named):
        for name in names.split(","):
            path, _, function = (before + name + after).partition("::")
            assert (ROOT / path).exists(), path
            assert not function or f"def {function}(" in (ROOT / path).read_text(), function
    assert any("::" in name and "{" in name for name in named)
