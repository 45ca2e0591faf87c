"""`chainrule study ...`: data in, a study out: printed, and written as pictures or a page."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import studies
from chainrule.cli import DONE, SCHEMA_VERSION
from chainrule.cli import options as opt
from chainrule.cli.demo import FEATURES
from chainrule.cli.outputs import check_outputs, print_json
from chainrule.data.encoding import learn
from chainrule.data.files import read_table
from chainrule.data.frames import fields_of
from chainrule.data.labels import label_kind, read_weights, target_labels
from chainrule.data.schema import Schema
from chainrule.data.words import check_name, shown
from chainrule.documents import terminal
from chainrule.documents.progress import StudyProgress
from chainrule.documents.studies import study_blocks
from chainrule.errors import InputError
from chainrule.model.files import write_atomically
from chainrule.studies import Study
from chainrule.training import prepare, worded
from chainrule.words import counted

FORMATS = (".svg", ".png", ".html")
STUDIES: dict[str, Callable[..., Study]] = {
    "learning-rate": studies.learning_rate,
    "centering": studies.centering,
    "scaling": studies.scaling,
    "batches": studies.batches,
}


Given = Mapping[str, Any]  # the options of a command by name; what it doesn't have is not there


@dataclass(frozen=True)
class Data:
    """What a study is of: arguments of its function, labels of y = 0 and y = 1, notes; schema: of a whole table."""

    arguments: dict[str, Any]
    labels: tuple[str, str]
    notes: tuple[str, ...]
    schema: Schema | None = None


def run_study(which: str, given: Given) -> int:
    """Study, print, write; return the exit code."""
    how = _arguments(given)
    table, out = given["table"], given["out"]
    check_outputs({"--out": out}, [] if table is None else [table])
    data = _pair(given) if "x" in given else _table(given)
    messages = terminal.messages(quiet=given["quiet"])
    for text in data.notes:
        terminal.note(messages, text)
    with StudyProgress(messages) as progress:
        study = STUDIES[which](**how | data.arguments, progress=progress)
    told = [text if data.schema is None else worded(text, data.schema) for text in study.notes]
    for text in told:
        terminal.note(messages, text)
    notes = [*data.notes, *told]
    name = "penguins" if table is None else table.name
    title = f"{study.heading}: {name}" if data.arguments else study.heading
    if out is not None:
        write_atomically(out, _drawn(study, out, title, notes))
    if given["json"]:
        about = {"table": str(table or name), "target": given["target"] or "sex"}
        about |= dict(zip(("negative", "positive"), data.labels, strict=True))
        files = {"out": None if out is None else str(out)}
        ours = {"schema_version": SCHEMA_VERSION, "command": "study", "notes": notes, "files": files}
        print_json(study.to_dict() | (about if data.arguments else {}) | ours)
    else:
        terminal.show(terminal.results(), study_blocks(study, title, out))
    return DONE


def _arguments(given: Given) -> dict[str, Any]:
    """Check the options; give those that the study's function takes beside the data."""
    alpha, sizes, test_size = given["alpha"] or 0.0, given.get("sizes"), given.get("test_size")
    rates = [opt.learning_rate_number(text) for text in given.get("rates") or ()]
    rate = None if given.get("rate") is None else opt.learning_rate_number(given["rate"])
    opt.positive("--tol", given["tol"])
    opt.at_least("--alpha", alpha, 0)
    opt.seed_of(given["seed"])
    for option, counts in (("--epochs", [given["epochs"]]), ("--batch-size", sizes or ())):
        for count in counts:
            if count is not None:
                opt.at_least(option, count, 1, "whole number")
    if test_size is not None and not 0 < test_size < 1:
        raise InputError(f"--test-size must be above 0 and below 1, such as 0.2, not {test_size:g}")
    if given["out"] is not None and given["out"].suffix.lower() not in FORMATS:
        raise InputError(f"--out {given['out']} must end in .svg, .png or .html, which says what is drawn")
    _check_columns(given)
    how = {"alpha": alpha, "within": given["tol"], "n_threads": opt.thread_count(given["threads"]), "sizes": sizes,
           "epochs": given["epochs"], "rates": rates or None, "learning_rate": rate, "test_size": test_size,
           "seed": given["seed"] if "sizes" in given or "x" in given else None}  # fmt: skip
    return {name: value for name, value in how.items() if value is not None}


def _check_columns(given: Given) -> None:
    """Refuse columns without a table, and a table without its columns."""
    is_pair = "x" in given
    if given["table"] is None:
        for name in ("target", "positive", "features", "drop", "weights", "na", "x", "y"):
            if given.get(name):
                where = "--table TABLE" if is_pair else "a TABLE"
                raise InputError(f"--{name} needs {where}: name the table too, or leave --{name} out")
        return
    for name in ("target", "x", "y") if is_pair else ("target",):
        if given[name] is None:
            what = "the column to learn" if name == "target" else "one of the two columns of the maps"
            raise InputError(f"--{name} is missing: it names {what} of {given['table']}")
    if is_pair and len({given["x"], given["y"], given["target"]}) < 3:
        raise InputError("--x, --y and --target must be three different columns")


def _table(given: Given) -> Data:
    """Read a table's design; without a table, the demo's penguins of known sex."""
    if given["table"] is None:
        with as_file(files("chainrule") / "data" / "penguins.csv") as path:
            prepared = prepare(read_table(path), "sex", features=FEATURES)
    else:
        table = read_table(given["table"], na=given["na"] or ())
        features, drop = (opt.column_names(given[name], table.column_names) for name in ("features", "drop"))
        how = {"positive": given["positive"], "weights": given["weights"]}
        prepared = prepare(table, given["target"], features=features, drop=drop or (), **how)
    design, schema, rows = prepared.design, prepared.schema, prepared.train
    notes = schema.notes  # of the design are the rows left out as well
    if len(prepared.unknown):
        notes = (*notes, f"{counted(len(prepared.unknown), 'row')} without {shown(schema.target)} left out")
    s = None if design.weights is None else design.weights[rows]
    numeric = np.asarray(schema.numeric)
    own: dict[str, Any] = {"numeric": numeric}
    if "standardize" in given:
        own = {"standardize": numeric if given["standardize"] else False}
        if given["table"] is None and given["alpha"] is None:
            own["alpha"] = 1.0 / len(rows)  # the penalty of the demo
    arrays = {
        "X": design.given(rows),
        "y": design.labels[rows],
        "sample_weight": s,
        "feature_names": schema.feature_names,
    }
    return Data(arrays | own, (schema.negative, schema.positive), notes, schema)


def _pair(given: Given) -> Data:
    """Read two columns of numbers and the target; rows that miss one of them are left out. Nothing without a table."""
    if given["table"] is None:
        return Data({}, ("0", "1"), ())
    table = read_table(given["table"], na=given["na"] or ())
    often = Counter(table.column_names)
    check_name(given["target"], often, "target column")
    negative, positive, y = target_labels(table.column(given["target"]), given["target"], given["positive"])
    names = (given["x"], given["y"])
    columns = []
    for option, name in zip(("--x", "--y"), names, strict=True):
        check_name(name, often)
        if label_kind(table.column(name)) != "number":
            raise InputError(f"column {shown(name)} holds no numbers: {option} takes a column of numbers")
        fields = fields_of(table, [name])
        learn(fields, may_be_empty=True)  # refuses infinite numbers
        columns.append(fields[0].values)
    X = np.column_stack(columns)
    known = np.flatnonzero(np.isfinite(y) & np.isfinite(X).all(axis=1))
    s = None
    if given["weights"] is not None:
        check_name(given["weights"], often, "weights column")
        s = read_weights(table, given["weights"], np.bincount(known, minlength=len(y)) > 0)[known]
    for name, values in zip(names, X[known].T, strict=True):
        if len(values) and values.min() == values.max():
            raise InputError(f"column {shown(name)} has one value only, {values[0]:g}: name a column that varies")
    for value, label in enumerate((negative, positive)):
        if not np.any(y[known] == value):
            raise InputError(f"no row with both columns has the label {shown(label)}: rows of both labels are needed")
    left = len(y) - len(known)
    notes = (f"{counted(left, 'row')} without the target or one of the columns left out",) if left else ()
    arrays = {"X": X[known], "y": y[known], "sample_weight": s, "feature_names": names}
    return Data(arrays | {"classes": (negative, positive)}, (negative, positive), notes)


def _drawn(study: Study, out: Path, title: str, notes: Sequence[str]) -> bytes | str:
    kind = out.suffix.lower()
    if kind == ".svg":
        return study.svg(title)
    return study.png(title) if kind == ".png" else study.html(title, notes=notes)
