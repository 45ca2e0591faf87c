"""Every example of the README runs as written."""

import json
import re
import shlex
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from cli_tools import run

__all__ = ["run"]

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = re.findall(r"^chainrule .*$", TEXT, re.MULTILINE)


def test_readme_has_its_examples():
    assert len(PYTHON) == 2
    assert len(COMMANDS) == 11


@pytest.mark.parametrize("example", PYTHON)
def test_python_examples_run(example, tmp_path):
    (tmp_path / "demo").mkdir()  # `make demo` makes it, and git ignores it
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, timeout=900, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    if example != PYTHON[0]:
        return
    promised = re.findall(r"# (converged\b.*?)(?: \.\.\.)?\n", PYTHON[0], flags=re.IGNORECASE)
    assert len(promised) == 2
    assert all(each in done.stdout for each in promised)


@pytest.mark.parametrize("name", ["learning-rate", "centering"])
def test_pictures_say_what_their_commands_say_now(name, run):
    done = run("study", name, "--json")
    assert done.code == 0
    # `make pictures` draws them anew
    picture = ET.parse(README.parent / "docs" / "pictures" / f"{name}.svg").getroot()
    said = next(element.text for element in picture if element.tag.endswith("desc"))
    assert said.startswith(json.loads(done.out)["conclusion"])  # and then of the loss surface


def test_the_pictures_of_a_penguin_are_as_their_commands_draw_them(run, tmp_path):
    assert run("demo", "--out-dir", tmp_path, "--quiet").code == 0
    bird, new = (tmp_path / "model.safetensors", tmp_path / "penguins.csv", "--row", 106), tmp_path / "new.svg"
    for name, more in (("one-penguin", ()), ("one-penguin-narrow", ("--narrow",))):
        assert run("explain", *bird, "--picture", new, *more).code == 0
        drawn = (new, README.parent / "docs" / "pictures" / f"{name}.svg")
        now, here = (re.sub(r"[\d.]+", "0", ET.parse(path).getroot()[1].text) for path in drawn)
        assert now == here, "make pictures"


def test_commands_run_one_after_the_other(tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for command in COMMANDS:
        arguments = shlex.split(command)[1:]
        done = run(*arguments)
        assert done.code == 0, (command, done.err)
        assert done.out, command
        # git ignores this folder: the examples leave the checkout as it was
        assert [path.name for path in tmp_path.iterdir()] == ["demo"], command
        for flag in ("--out", "--report", "--picture"):
            if flag in arguments:
                assert (tmp_path / arguments[arguments.index(flag) + 1]).stat().st_size > 0
