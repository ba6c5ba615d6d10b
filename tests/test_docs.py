"""Every Python block of the README and of docs/ runs."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BLOCKS = [
    pytest.param(code, id=f"{page.name}-{index}")
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for index, code in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
]


PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *(ROOT / "docs").glob("*.md"),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_has_a_path_of_somebodys_machine(page):
    assert not re.findall(r"(?:/(?:work|home|root|Users)/|[A-Z]:\\)\S*", page.read_text())


def test_the_first_page_says_what_every_page_is_for():
    docs = ROOT / "docs"
    text = (docs / "index.md").read_text()
    for page in {path.stem for path in docs.glob("*.md")} - {"index"}:
        assert re.search(rf"^- \[[^\]]+\]\({page}\.md\): \w", text, re.M), page
        assert re.search(rf"^{page}$", text, re.M), page


# The reference's algorithm is shown as it is used: with too few iterations.
@pytest.mark.filterwarnings("ignore::descrambler.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # by Keras
@pytest.mark.parametrize("code", BLOCKS)
def test_block(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_BACKEND", "torch")  # its default is TensorFlow
    exec(compile(code, "documentation", "exec"), {})
