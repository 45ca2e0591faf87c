"""The architecture, read from the source: imports go upward only, and nothing outgrows its budget."""

import ast
import re
import sys
from collections import defaultdict
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(find_spec("chainrule").submodule_search_locations[0])
if not list(ROOT.glob("*.py")):  # an editable install may list the built module's folder first
    ROOT = next(Path(p) for p in find_spec("chainrule").submodule_search_locations if list(Path(p).glob("*.py")))

# From low to high: a module imports only from lines above its own, or its own package.
LAYERS = [
    {"words"},
    {"errors"},
    {"findings"},
    {"losses", "penalties"},
    {"charts", "kernels"},
    {"data"},
    {"objective"},
    {"certificate"},
    {"solvers"},
    {"diagnosis"},
    {"fitted"},
    {"fitting"},
    {"explain", "model"},
    {"training"},
    {"studies"},
    {"documents"},
    {"estimator", "playing"},
    {"cli"},
]
# What shows itself (`print`, a notebook, a study's page) loads the documents in the method that is called. So does what
# predicts, explains, plots and saves itself, with the rooms that do these.
WHEN_CALLED = {("words", "documents"), ("studies", "documents")}
WHEN_CALLED |= {("fitted", other) for other in ("fitting", "explain", "model", "training", "documents", "playing")}
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
FREE = {"__init__", "__main__", "_core"}  # the lazy front door, `python -m`, the native core
ALONE = "graph"  # stands on NumPy alone
SHOWS = {"html", "_repr_html_"}  # methods that show their object: they load what renders it when they are called

MODULES = sorted(p for p in ROOT.rglob("*.py"))
MAX_MODULE, MAX_FUNCTION, MAX_CONSTRUCTOR = 500, 60, 19
PIECE, LEAST = 5, 23  # words and characters of a sentence that only one test may repeat


def part_of(path):
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


@cache
def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imported_parts(path):
    tree = tree_of(path)
    shows = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name in SHOWS
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in shows:
            continue
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module == "chainrule":
                names = [f"chainrule.{alias.name}" for alias in node.names]
            else:
                names = [node.module or ""]
        for name in names:
            yield name.split(".")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_upward_only(path):
    part = part_of(path)
    if part in FREE:
        return
    for name in imported_parts(path):
        if name[0] != "chainrule" or len(name) == 1:
            continue
        other = name[1]
        if other == part or other in ("_core", "__version__"):
            continue
        if (part, other) in WHEN_CALLED:
            continue
        if part == ALONE:
            assert other == "errors", f"{path.name} imports {other}: graph stands alone on NumPy"
        elif other == ALONE:
            assert RANK[part] >= RANK["explain"], f"{path.name} imports graph: it only explains"
        else:
            assert other in RANK, f"{other} has no place in LAYERS"
            assert RANK[other] < RANK[part], f"{path.name} imports {other}, which is not below it"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_rooms_above_load_when_a_method_is_called(path):
    for node in tree_of(path).body:  # at the top of the module
        if isinstance(node, ast.ImportFrom):
            _, *room = (node.module or "").split(".")
            assert (part_of(path), *room[:1]) not in WHEN_CALLED, f"{path.name} loads {room[0]} at once"


def test_graph_needs_numpy_only():
    outside = {name[0] for path in MODULES if part_of(path) == ALONE for name in imported_parts(path)}
    assert outside <= sys.stdlib_module_names | {"numpy", "chainrule"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_budgets(path):
    assert path.read_text(encoding="utf-8").count("\n") <= MAX_MODULE
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert lines <= MAX_FUNCTION, f"{node.name} has {lines} lines without its docstring"
            if node.name == "__init__":
                arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
                assert len(arguments) - 1 <= MAX_CONSTRUCTOR, (
                    f"{path.name}: a constructor of {len(arguments) - 1} arguments"
                )


def test_every_part_has_its_place():
    parts = {part_of(path) for path in MODULES} - FREE - {ALONE}
    assert parts == set(RANK)


def test_decisions_have_numbers_of_their_own_and_links_reach_them():
    home = Path(__file__).parents[1]
    decisions = sorted((home / "docs" / "decisions").glob("*.md"))
    for number, path in enumerate(decisions, 1):
        assert path.name.startswith(f"{number:04d}-")
        assert path.read_text(encoding="utf-8").startswith(f"# {number}. ")
    names = {path.name for path in decisions}
    for path in [*home.glob("*.md"), *home.glob("docs/**/*.md"), *MODULES]:
        named = set(re.findall(r"\b\d{4}-[a-z-]+\.md", path.read_text(encoding="utf-8")))
        assert named <= names, f"{path.name} names {named - names}"


def pieces(code):
    """Yield each run of five words in the texts of some code; docstrings are left out."""
    for text in re.findall(r'"((?:[^"\\\n]|\\.)*)"', re.sub('""".*?"""', "", code, flags=re.DOTALL)):
        words = re.findall(r"[a-z']+", text.lower())
        for at in range(len(words) - PIECE + 1):
            piece = " ".join(words[at : at + PIECE])
            if len(piece) >= LEAST:
                yield piece


def test_a_sentence_is_asserted_word_by_word_in_one_test_only():
    """Other tests assert a finding's code and values, or the names and numbers in the sentence."""
    said = {piece for path in MODULES for piece in pieces(path.read_text(encoding="utf-8"))}
    tests = defaultdict(set)
    for path in Path(__file__).parent.rglob("*.py"):
        for part in path.read_text(encoding="utf-8").split("\n\n\n"):  # functions, and what is between them
            for piece in said.intersection(pieces(part)):
                tests[piece].add((path.name, part))
    twice = {piece: [name for name, _ in places] for piece, places in tests.items() if len(places) > 1}
    assert not twice
