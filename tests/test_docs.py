"""What the README and the settings' list promise is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def tree() -> list[str]:
    block = README.split("## Where things are")[1].split("```")[1]
    return re.findall(r"^(\w+)/", block, re.M)


@pytest.mark.parametrize("folder", tree())
def test_every_folder_of_the_readmes_tree_exists(folder):
    assert (ROOT / folder).is_dir()


def test_every_folder_with_code_is_in_the_readmes_tree():
    code = {p.relative_to(ROOT).parts[0] for p in ROOT.glob("*/*") if p.is_file()}
    hidden = {name for name in code if name.startswith(".") or name == "var"}
    assert code - hidden == set(tree())


def test_every_setting_is_listed_with_its_meaning():
    sources = [ROOT / "kb" / "settings.py", *(ROOT / "demos").glob("*.py")]
    text = "\n".join(path.read_text() for path in sources)
    used = set(re.findall(r"[\"'](KB_[A-Z_]+|DATABASE_URL|SECRET_KEY|CELERY_[A-Z_]*URL)[\"']", text))
    listed = (ROOT / ".env.example").read_text()
    assert not {name for name in used if name not in listed}


@pytest.mark.parametrize("target", re.findall(r"^make (\w+)", README, re.M))
def test_every_make_target_of_the_readme_exists(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M)
