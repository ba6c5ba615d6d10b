"""The rules of the house: what is public, how long a file may be, what a name may hide. `make lint` runs them."""

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "python" / "descrambler"
LONGEST = 300


def dotted(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = sorted(dotted(path) for path in PACKAGE.rglob("*.py") if path.name != "__main__.py")
PUBLIC = [name for name in MODULES if "._" not in name]


def test_five_loose_modules_at_the_top():
    found = {path.name for path in PACKAGE.glob("*.py")}
    assert found == {"__init__.py", "__main__.py", "axis.py", "errors.py", "group.py"}


def test_the_api_page_has_every_public_module_and_no_other():
    page = (ROOT / "docs" / "api.md").read_text()
    assert re.findall(r"^## (descrambler[\w.]*)$", page, re.M) == sorted(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_are_listed_and_documented(name):
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        pytest.skip(str(error))
    assert module.__doc__
    for member in module.__all__:
        value = getattr(module, member)
        if callable(value) or isinstance(value, ModuleType):
            assert value.__doc__, member


@pytest.mark.parametrize("name", [name for name in MODULES if "." in name and "_child" not in name])
def test_no_module_is_hidden_by_a_function_of_its_name(name):
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        pytest.skip(str(error))
    parent, leaf = name.rsplit(".", 1)
    assert getattr(importlib.import_module(parent), leaf) is module


def test_no_file_of_the_package_is_long():
    files = [*PACKAGE.rglob("*.py"), *(ROOT / "cpp").rglob("*.?pp")]
    lengths = {path.relative_to(ROOT).as_posix(): path.read_text().count("\n") for path in files}
    assert {name: n for name, n in lengths.items() if n > LONGEST} == {}
