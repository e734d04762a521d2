"""The README's example runs and gives what it says."""

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_every_commented_line_gives_its_comment():
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    scope: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), scope)
    claimed = re.findall(r"^(\S.*?)\s+# (torch\.Size.*|tensor.*)$", example, re.MULTILINE)
    assert len(claimed) == 2
    for code, text in claimed:
        assert repr(eval(code, scope)) == text
