"""The core's test program without Python, which `make test-arm` runs for another processor: here for this one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import mpmath
import pytest

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))

import answers  # noqa: E402
import core_build  # noqa: E402

if not core_build.NATIVE.is_dir():
    pytest.skip("the core's source is not beside these tests", allow_module_level=True)
COMPILER = shutil.which(os.environ.get("CXX", "c++"))
ISAS = core_build.instruction_sets()
# One set shows that program and answers are right; the reader's tests run all sets that a processor has.
HERE = ("neon",) if os.uname().machine in ("aarch64", "arm64") else ("baseline",)


def test_isas_are_those_of_the_build():
    assert set(ISAS) == {"baseline", "avx2", "avx512", "neon"}


def test_flags_are_those_of_the_build():
    text = (core_build.ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert " ".join(core_build.WARNINGS) in text
    assert " ".join(core_build.KERNELS).replace("fast", "${contract}") in text


@pytest.mark.skipif(COMPILER is None, reason="there is no C++ compiler here")
@pytest.mark.parametrize("isa", HERE)
def test_core_gives_the_stored_answers(isa, tmp_path):
    program = core_build.build(COMPILER, isa, tmp_path, "-O0")  # it takes two thirds of the time of -O1
    ran = subprocess.run([program, isa], capture_output=True, text=True, timeout=900)
    if ran.returncode == 77:
        pytest.skip(ran.stdout.strip())
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_stored_answers_are_the_script_s():
    """Some of them: all take a minute."""
    stored = (FOLDER / "answers.inc").read_text(encoding="utf-8")
    with mpmath.workprec(answers.PRECISION):
        made = answers.Answers()
        answers.put_pointwise(made)
        answers.put_along(made)
        assert "\n".join(made.lines) + "\n" in stored
        made = answers.Answers()
        answers.put_product(made, "mix-seen", answers.seen_mix_design(), True)
        assert "\n".join(made.lines) + "\n" in stored
