"""`chainrule study ...`: data in, a study out: printed, and written as pictures or a page."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule import studies
from chainrule.cli import DONE, PENGUINS, SCHEMA_VERSION
from chainrule.cli import options as opt
from chainrule.cli.running import check_outputs, print_json
from chainrule.data.files import read_table
from chainrule.data.labels import label_kind
from chainrule.data.tables import Prepared, prepare
from chainrule.data.words import shown
from chainrule.documents import terminal
from chainrule.documents.progress import StudyProgress
from chainrule.documents.studies import of_study
from chainrule.errors import InputError
from chainrule.model.files import write_atomically
from chainrule.studies import Study
from chainrule.words import counted

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = (".svg", ".png", ".html")
Given = Mapping[str, Any]  # the options of a command by the names of its function's arguments; others are not there
OF_A_TABLE = ("target", "positive", "features", "drop", "weights", "na", "x", "y")
OWN = ("alpha", "within", "n_threads", "epochs", "sizes", "rates", "learning_rate", "test_size", "seed")


# Arguments of a study's function, labels of y = 0 and y = 1, notes.
Data = tuple[dict[str, Any], tuple[str, str], tuple[str, ...]]


def run_study(which: str, given: Given) -> int:
    """Study, print, write; return the exit code."""
    how = _arguments(given)
    table, out = given["table"], given["out"]
    check_outputs({"--out": out}, [] if table is None else [table])
    arguments, labels, notes = _data(given)
    messages = terminal.messages(quiet=given["quiet"])
    terminal.note(messages, *notes)
    with StudyProgress(messages) as progress:
        study: Study = getattr(studies, which.replace("-", "_"))(**arguments | how, progress=progress)
    terminal.note(messages, *study.notes)
    notes, name = (*notes, *study.notes), "penguins" if table is None else table.name
    title = f"{study.heading}: {name}" if arguments else study.heading
    if out is not None:
        kinds: dict[str, Callable[[str], bytes | str]] = {
            ".svg": study.svg, ".png": study.png, ".html": partial(study.html, notes=notes),
        }  # fmt: skip
        write_atomically(out, kinds[out.suffix.lower()](title))
    if not given["as_json"]:
        terminal.show(terminal.results(), of_study(study, title, out))
        return DONE
    about = {"table": str(table or name), "target": given["target"] or "sex"}
    about |= dict(zip(("negative", "positive"), labels, strict=True))
    files = {"out": None if out is None else str(out)}
    ours = {"schema_version": SCHEMA_VERSION, "command": "study", "notes": notes, "files": files}
    print_json(study.to_dict() | (about if arguments else {}) | ours)
    return DONE


def _arguments(given: Given) -> dict[str, Any]:
    """Check the options; give those that the study's function takes beside the data."""
    how = {name: given[name] for name in OWN if given.get(name) is not None}
    if not 0 < how.get("test_size", 0.5) < 1:
        raise InputError(f"--test-size must be above 0 and below 1, such as 0.2, not {how['test_size']:g}")
    if given["out"] is not None and given["out"].suffix.lower() not in FORMATS:
        raise InputError(f"--out {given['out']} must end in .svg, .png or .html, which says what is drawn")
    return how


def _data(given: Given) -> Data:
    """Read a table's design; without a table, the demo's penguins of known sex, or nothing for the article's points."""
    is_pair, path = "x" in given, given["table"]
    if path is None:
        for name in OF_A_TABLE:
            if given.get(name):
                where = "--table TABLE" if is_pair else "a TABLE"
                raise InputError(f"--{name} needs {where}: name the table too, or leave --{name} out")
        if is_pair:
            return {}, ("0", "1"), ()
        with as_file(files("chainrule") / "data" / "penguins.csv") as penguins:
            prepared = prepare(read_table(penguins), "sex", features=PENGUINS)
        return _whole(prepared, given, alpha=1.0 / len(prepared.train))  # a light penalty
    for name in ("target", "x", "y") if is_pair else ("target",):
        if given[name] is None:
            what = "the column to learn" if name == "target" else "one of the two columns of the maps"
            raise InputError(f"--{name} is missing: it names {what} of {path}")
    table = read_table(path, na=given["na"] or ())
    how = {"positive": given["positive"], "weights": given["weights"]}
    if not is_pair:
        names, drop = (opt.column_names(given[name], table.column_names) for name in ("features", "drop"))
        return _whole(prepare(table, given["target"], features=names, drop=drop or (), **how), given)
    columns = [given["x"], given["y"]]
    if len({*columns, given["target"]}) < 3:
        raise InputError("--x, --y and --target must be three different columns")
    return _pair(prepare(table, given["target"], features=columns, **how), table, columns)


def _whole(prepared: Prepared, given: Given, **own: Any) -> Data:
    """Take all columns. own: arguments of studies that may standardise."""
    schema, notes, numeric = prepared.schema, prepared.schema.notes, np.asarray(prepared.schema.numeric)
    if len(prepared.unknown):  # notes of the design are of the rows left out as well
        notes = (*notes, f"{counted(len(prepared.unknown), 'row')} without {shown(schema.target)} left out")
    if "standardize" not in given:
        own = {"numeric": numeric}
    else:
        own["standardize"] = numeric if given["standardize"] else False
    return _arrays(prepared, prepared.train, slice(None)) | own, (schema.negative, schema.positive), notes


def _pair(prepared: Prepared, table: "pa.Table", names: Sequence[str]) -> Data:
    """Take two columns of numbers, in the rows that have both."""
    schema, rows = prepared.schema, prepared.train
    for option, name in zip(("--x", "--y"), names, strict=True):
        column = table.column(name)
        if label_kind(column) != "number":
            raise InputError(f"column {shown(name)} holds no numbers: {option} takes a column of numbers")
        if name not in schema.feature_names:
            only = "".join(f", {each.as_py():g}" for each in column.drop_null()[:1])
            raise InputError(f"column {shown(name)} has one value only{only}: name a column that varies")
        rows = rows[~np.asarray(column.is_null(nan_is_null=True))[rows]]
    for value, label in enumerate((schema.negative, schema.positive)):
        if not np.any(prepared.design.labels[rows] == value):
            raise InputError(f"no row with both columns has the label {shown(label)}: rows of both labels are needed")
    left, labels = table.num_rows - len(rows), (schema.negative, schema.positive)
    notes = (f"{counted(left, 'row')} without the target or one of the columns left out",) if left else ()
    places = [schema.feature_names.index(name) for name in names]
    return _arrays(prepared, rows, places), labels, notes


def _arrays(prepared: Prepared, rows: Any, places: Any) -> dict[str, Any]:
    design = prepared.design
    return {"classes": (prepared.schema.negative, prepared.schema.positive),
            "X": np.ascontiguousarray(design.X[rows][:, places]), "y": design.labels[rows],
            "sample_weight": None if design.weights is None else design.weights[rows],
            "feature_names": tuple(np.array(prepared.schema.feature_names, dtype=object)[places])}  # fmt: skip
