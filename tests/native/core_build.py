"""Compiles the core without Python, and its test program, for one instruction set.

`python tests/native/core_build.py COMPILER ISA FOLDER [option ...]`; options go to the compiler, and to it alone.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
NATIVE = ROOT / "src" / "chainrule" / "_native"
WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wno-sign-conversion", "-Wno-psabi"]
KERNELS = ["-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"]  # as CMakeLists.txt has them


def instruction_sets():
    """Flags of each instruction set that CMakeLists.txt names."""
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    names = [name for line in re.findall(r"set\(isas (.*)\)", text) for name in line.split()]
    flags = dict(re.findall(r"set\(flags_(\w+) (.*)\)", text))
    return {name: flags.get(name, "").split() for name in names}


def build(compiler, isa, folder, *options):
    """Make the program; returns where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [compiler, "-std=c++20", *WARNINGS, f"-I{NATIVE}", f"-DCHAINRULE_HAS_{isa.upper()}=1", *options]
    objects = []
    for source in [*sorted(NATIVE.glob("*.cpp")), Path(__file__).with_name("core_test.cpp")]:
        if source.name == "module.cpp":  # Python's
            continue
        own = [*KERNELS, *instruction_sets()[isa], f"-DCHAINRULE_ISA={isa}"] if source.name == "leaf.cpp" else []
        objects.append(folder / f"{source.stem}.o")
        subprocess.run([*command, *own, "-c", source, "-o", objects[-1]], check=True)
    program = folder / "core_test"
    subprocess.run([*command, *objects, "-o", program, "-pthread"], check=True)
    return program


if __name__ == "__main__":
    try:
        build(sys.argv[1], sys.argv[2], Path(sys.argv[3]), *sys.argv[4:])
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
