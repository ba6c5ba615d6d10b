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


# The reference's algorithm is shown as it is used: with too few iterations.
@pytest.mark.filterwarnings("ignore::descrambler.ConvergenceWarning")
@pytest.mark.parametrize("code", BLOCKS)
def test_block(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "documentation", "exec"), {})
