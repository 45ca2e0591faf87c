"""`chainrule study ...`: data in, a study out: printed, and written as pictures or a page."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from chainrule import studies
from chainrule.cli import SCHEMA_VERSION
from chainrule.cli.running import Voice, check_ending, check_outputs, penguins
from chainrule.data.files import read_table
from chainrule.data.inputs import strength
from chainrule.data.missing import note_of
from chainrule.data.words import shown
from chainrule.documents.progress import StudyProgress
from chainrule.documents.studies import of_study
from chainrule.errors import InputError
from chainrule.findings import SHELL
from chainrule.model.files import write_atomically
from chainrule.studies import Study
from chainrule.training import prepare_as_asked
from chainrule.words import counted, plain

FORMATS = (".svg", ".png", ".html")
Given = Mapping[str, Any]  # a command's option values by name; options of other commands are absent
KINDS = ("categorical", "numeric", "dates", "reference")
OF_A_TABLE = ("target", "positive", "features", "drop", *KINDS, "weights", "na", "missing", "x", "y")
OWN = ("alpha", "C", "within", "n_threads", "epochs", "sizes", "rates", "learning_rate", "test_size", "seed")
RANDOM = ("centering", "batches")  # studies that draw at random, so they take a seed


def run(which: str, given: Given, voice: Voice) -> None:
    """Run a study, print it, write its pictures."""
    table, out = given["table"], given["out"]
    check_ending("--out", out, FORMATS)
    strength(given["alpha"], given["C"], 1.0, SHELL)  # so that a mistake is told with the options' names
    check_outputs({"--out": out}, [] if table is None else table.paths)
    data, notes = _data(given)
    how = {name: given[name] for name in OWN if given.get(name) is not None and (name != "seed" or which in RANDOM)}
    voice.note(*notes)
    with StudyProgress(voice.messages) as progress:
        study: Study = getattr(studies, which.replace("-", "_"))(**data | how, progress=progress, front=SHELL)
    voice.note(*study.notes)
    notes, name = (*notes, *study.notes), "penguins" if table is None else table.name
    title = f"{study.heading}: {name}" if data else study.heading
    if out is not None:
        kinds: dict[str, Callable[[str], bytes | str]] = {
            ".svg": study.svg, ".png": study.png, ".html": partial(study.html, notes=notes),
        }  # fmt: skip
        write_atomically(out, kinds[out.suffix.lower()](title))
    about = {
        "schema_version": SCHEMA_VERSION,
        "command": "study",
        "notes": notes,
        "files": {"out": None if out is None else str(out)},
    }
    if data:
        about |= {"table": str(table or name), "target": given["target"] or "sex"}
        about |= dict(zip(("negative", "positive"), data["classes"], strict=True))
    voice.tell(study.to_dict() | about, lambda _: of_study(study, title, out))


def _data(given: Given) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Read the data: return arguments of the study's function, and notes.

    Without a table: the demo's penguins of known sex, or no data for the article's points.
    """
    columns, path = ("x", "y") if "x" in given else (), given["table"]
    if path is None:
        for name in OF_A_TABLE:
            if given.get(name):
                raise InputError(f"--{name} needs a TABLE: name the table too, or leave --{name} out")
        if columns:
            return {}, ()
        data, notes = _studied(penguins(), {**given, "target": "sex"})
        has_own = given["alpha"] is not None or given["C"] is not None or "standardize" not in given
        light_penalty = {} if has_own else {"alpha": 1.0 / len(data["y"])}
        return data | light_penalty, notes
    for name in ("target", *columns):
        if given[name] is None:
            what = "the column to learn" if name == "target" else "one of the two columns of the maps"
            raise InputError(f"--{name} is missing: it names {what} of {path}")
    if len({given[name] for name in ("target", *columns)}) <= len(columns):
        raise InputError("--x, --y and --target must be three different columns")
    return _studied(read_table(path, na=given["na"]), given)


def _studied(table: Any, given: Given) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Prepare a table by the options, and take its rows of known label; with --x and --y, by default only rows with both."""
    pair = [given["x"], given["y"]] if "x" in given else []
    learned = {name: given.get(name) for name in ("positive", "weights", "drop", *KINDS)}
    learned["missing"] = given["missing"] or (["drop-rows"] if pair else [])
    prepared = prepare_as_asked(table, given["target"], features=pair or given["features"], **learned)
    schema, design, rows = prepared.schema, prepared.encoded, prepared.train
    for option, name in zip(("--x", "--y"), pair, strict=False):
        if name not in schema.feature_names:
            raise InputError(f"column {shown(name)} holds no numbers that differ: {option} takes a column of numbers")
    left = len(prepared.unknown)
    lost = [f"{counted(left, 'row')} without {shown(schema.target)} left out"] if left else []
    data = {"classes": (schema.negative, schema.positive), "X": design.rows(rows, given["n_threads"])}
    data["y"] = design.y[rows]
    if pair:
        places = [schema.feature_names.index(name) for name in pair]
        data |= {"X": np.ascontiguousarray(design.X[rows][:, places]), "feature_names": pair}
        data["sample_weight"] = None if design.weights is None else design.weights[rows]
    if "standardize" in given:
        data["standardize"] = schema.numeric if given["standardize"] else False
    elif not pair:
        data["numeric"] = schema.numeric
    return data, (*(() if pair else schema.notes), *note_of(plain(prepared.missing)), *lost)
