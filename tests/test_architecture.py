"""The import rules: data flows one way, and each library is known in one place."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("encoders", "media", "store", "analysis", "ui", "commands")
PRODUCT = [ROOT / "app.py", *(p for name in PACKAGES for p in (ROOT / name).rglob("*.py"))]


def imports(path: Path) -> set[str]:
    """The top-level packages that a file imports anywhere, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").partition(".")[0])
    return found


def test_packages_depend_on_each_other_in_one_direction():
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("library", "place"), [("chromadb", "store/index.py"), ("gradio", "ui/"), ("fastapi", "ui/")]
)
def test_a_library_is_known_in_one_place(library, place):
    users = {str(p.relative_to(ROOT)) for p in PRODUCT if library in imports(p)}
    assert users
    assert all(user.startswith(place) for user in users)
