"""`chainrule study ...`: data in, a study out: printed, and written as pictures or a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import studies
from chainrule.cli import DONE
from chainrule.cli.demo import FEATURES
from chainrule.cli.options import at_least, column_names, positive, seed_of
from chainrule.cli.outputs import SCHEMA_VERSION, check_outputs, print_json
from chainrule.data.tables import Schema, read_table, read_weights, target_labels
from chainrule.data.tables.cells import kind_of, numbers, refuse_infinite
from chainrule.data.tables.words import check_name, counted, shown
from chainrule.documents import terminal
from chainrule.documents.progress import StudyProgress
from chainrule.documents.studies import study_blocks
from chainrule.errors import InputError
from chainrule.model.files import write_atomically
from chainrule.studies import Study
from chainrule.training import prepare, worded
from chainrule.words import as_options

FORMATS = (".svg", ".png", ".html")
ANIMALS = "penguins"


@dataclass(frozen=True)
class Source:
    """Where the data are from: a table with a target, or what the study has of its own. is_pair: x and y are its columns."""

    table: Path | None
    target: str | None
    positive: str | None
    features: Sequence[str] | None
    drop: Sequence[str] | None
    weights: str | None
    na: Sequence[str]
    x: str | None = None
    y: str | None = None
    is_pair: bool = False


@dataclass(frozen=True)
class StudyOptions:
    """How the study runs; None is the study's own choice."""

    epochs: int | None
    tol: float
    alpha: float | None
    seed: int
    threads: int | None
    standardize: bool = False
    rates: tuple[float, ...] = ()
    test_size: float = 0.0
    sizes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Data:
    """What a study is of. X (m, n), y (m,) of 0 and 1, s (m,) or None; about: what the document says of it."""

    X: NDArray[np.float64]
    y: NDArray[np.float64]
    s: NDArray[np.float64] | None
    names: tuple[str, ...]
    numeric: NDArray[np.bool_]
    about: Mapping[str, Any]
    notes: tuple[str, ...]
    title: str
    schema: Schema | None = None
    is_demo: bool = False

    def worded(self, text: str) -> str:
        """Put what a fit says into the words of the table and of the command line."""
        return as_options(text if self.schema is None else worded(text, self.schema))


def run_study(
    which: str, source: Source, options: StudyOptions, out: Path | None, *, as_json: bool, quiet: bool
) -> int:
    """Study, print, write; return the exit code."""
    _check(options, out)
    _check_source(source)
    check_outputs({"--out": out}, [] if source.table is None else [source.table])
    messages = terminal.messages(quiet=quiet)
    data = _pair(source) if source.is_pair else _table(source)
    for text in data.notes if data is not None else ():
        terminal.note(messages, text)
    with StudyProgress(messages) as progress:
        study = _STUDIES[which](data, options, progress)
    notes = [as_options(text) if data is None else data.worded(text) for text in study.notes]
    for text in notes:
        terminal.note(messages, text)
    title = study.heading if data is None else f"{study.heading}: {data.title}"
    if out is not None:
        write_atomically(out, _drawn(study, out, title, [*(data.notes if data else ()), *notes]))
    if as_json:
        print_json(_document(study, data, out, notes))
    else:
        terminal.show(terminal.results(), study_blocks(study, title, out))
    return DONE


def _check(options: StudyOptions, out: Path | None) -> None:
    if options.epochs is not None:
        at_least("--epochs", options.epochs, 1, "whole number")
    positive("--tol", options.tol)
    if options.alpha is not None:
        at_least("--alpha", options.alpha, 0)
    seed_of(options.seed)
    for size in options.sizes:
        at_least("--batch-size", size, 1, "whole number")
    if out is not None and out.suffix.lower() not in FORMATS:
        raise InputError(f"--out {out} must end in .svg, .png or .html, which says what is drawn")


def _check_source(source: Source) -> None:
    where = "--table TABLE" if source.is_pair else "a TABLE"
    given = {
        "--target": source.target, "--positive": source.positive, "--features": source.features, "--drop": source.drop,
        "--weights": source.weights, "--na": source.na or None, "--x": source.x, "--y": source.y,
    }  # fmt: skip
    if source.table is None:
        for option, value in given.items():
            if value is not None:
                raise InputError(
                    f"{option} is of {where}, and there is none: name the table too, or leave {option} out"
                )
        return
    needed = ("--target", "--x", "--y") if source.is_pair else ("--target",)
    for option in needed:
        if given[option] is None:
            which = "the column to learn" if option == "--target" else "one of the two columns of the maps"
            raise InputError(f"{option} is missing: it names {which} of {source.table}")
    if source.is_pair and len({source.x, source.y, source.target}) < 3:
        raise InputError("--x, --y and --target must be three different columns")


def _table(source: Source) -> Data:
    """Read a table's design; without a table, the demo's penguins of known sex."""
    if source.table is None:
        with as_file(files("chainrule") / "data" / "penguins.csv") as path:
            prepared = prepare(read_table(path), "sex", features=FEATURES)
    else:
        assert source.target is not None
        table = read_table(source.table, na=source.na)
        prepared = prepare(
            table,
            source.target,
            positive=source.positive,
            features=column_names(source.features, table.column_names),
            drop=column_names(source.drop, table.column_names) or (),
            weights=source.weights,
            na=source.na,
        )
    design, schema, rows = prepared.design, prepared.schema, prepared.train
    assert design.y is not None
    notes = schema.notes  # of the design are the rows left out as well
    if len(prepared.unknown):
        notes = (*notes, f"{counted(len(prepared.unknown), 'row')} without {shown(schema.target)} left out")
    whole = len(rows) == len(design.X)
    return Data(
        X=design.X if whole else design.X[rows],
        y=design.y[rows],
        s=None if design.weights is None else design.weights[rows],
        names=schema.feature_names,
        numeric=np.asarray(schema.numeric),
        about=_about(source, schema.target, schema.negative, schema.positive),
        notes=notes,
        title=ANIMALS if source.table is None else source.table.name,
        schema=schema,
        is_demo=source.table is None,
    )


def _about(source: Source, target: str, negative: str, positive: str) -> dict[str, Any]:
    return {
        "table": ANIMALS if source.table is None else str(source.table),
        "target": target,
        "negative": negative,
        "positive": positive,
    }


def _pair(source: Source) -> Data | None:
    """Read two columns of numbers and the target; rows that miss one of them are left out. None: the article's points."""
    if source.table is None:
        return None
    assert source.target is not None
    assert source.x is not None
    assert source.y is not None
    table = read_table(source.table, na=source.na)
    negative, positive_label, y = target_labels(table, source.target, source.positive)
    columns = []
    for option, name in (("--x", source.x), ("--y", source.y)):
        check_name(name, table.column_names)
        if kind_of(table.column(name)) != "number":
            raise InputError(f"column {shown(name)} holds no numbers: {option} takes a column of numbers")
        columns.append(numbers(table.column(name)))
        refuse_infinite(name, columns[-1], may_drop=False)
    X = np.column_stack(columns)
    known = np.flatnonzero(np.isfinite(y) & np.isfinite(X).all(axis=1))
    s = None
    if source.weights is not None:
        check_name(source.weights, table.column_names, "weights column")
        s = read_weights(table, source.weights, known)[known]
    for name, values in zip((source.x, source.y), X[known].T, strict=True):
        if len(values) and values.min() == values.max():
            raise InputError(f"column {shown(name)} has one value only, {values[0]:g}: name a column that varies")
    for label, text in ((0.0, negative), (1.0, positive_label)):
        if not np.any(y[known] == label):
            raise InputError(f"no row with both columns has the label {shown(text)}: rows of both labels are needed")
    left = len(y) - len(known)
    notes = (f"{counted(left, 'row')} without the target or one of the columns left out",) if left else ()
    return Data(
        X[known], y[known], s, (source.x, source.y), np.ones(2, dtype=np.bool_),
        _about(source, source.target, negative, positive_label), notes, source.table.name,
    )  # fmt: skip


def _learning_rate(data: Data | None, options: StudyOptions, progress: Any) -> Study:
    assert data is not None
    return studies.learning_rate(
        data.X,
        data.y,
        sample_weight=data.s,
        alpha=_alpha(options, _own_alpha(data)),
        standardize=data.numeric if options.standardize else False,
        within=options.tol,
        rates=options.rates,
        feature_names=data.names,
        n_threads=options.threads,
        progress=progress,
        **_epochs(options),
    )


def _centering(data: Data | None, options: StudyOptions, progress: Any) -> Study:
    how: dict[str, Any] = {
        "alpha": _alpha(options, 0.0),
        "learning_rate": options.rates[0] if options.rates else None,
        "test_size": options.test_size,
        "within": options.tol,
        "seed": options.seed,
        "n_threads": options.threads,
        "progress": progress,
        **_epochs(options),
    }
    if data is None:
        return studies.centering(**how)
    classes = (data.about["negative"], data.about["positive"])
    return studies.centering(
        data.X, data.y, sample_weight=data.s, feature_names=data.names, classes=classes, **how
    )  # fmt: skip


def _scaling(data: Data | None, options: StudyOptions, progress: Any) -> Study:
    assert data is not None
    return studies.scaling(
        data.X,
        data.y,
        sample_weight=data.s,
        alpha=_alpha(options, 0.0),
        numeric=data.numeric,
        within=options.tol,
        feature_names=data.names,
        n_threads=options.threads,
        progress=progress,
        **_epochs(options),
    )


def _batches(data: Data | None, options: StudyOptions, progress: Any) -> Study:
    assert data is not None
    how: dict[str, Any] = {"sizes": options.sizes} if options.sizes else {}
    return studies.batches(
        data.X,
        data.y,
        sample_weight=data.s,
        alpha=_alpha(options, _own_alpha(data)),
        standardize=data.numeric if options.standardize else False,
        within=options.tol,
        seed=options.seed,
        feature_names=data.names,
        n_threads=options.threads,
        progress=progress,
        **_epochs(options),
        **how,
    )


_STUDIES = {"learning-rate": _learning_rate, "centering": _centering, "scaling": _scaling, "batches": _batches}


def _alpha(options: StudyOptions, own: float) -> float:
    return own if options.alpha is None else options.alpha


def _own_alpha(data: Data) -> float:
    """Give the penalty of the demo for its penguins: 1 over the rows."""
    return 1.0 / len(data.y) if data.is_demo else 0.0


def _epochs(options: StudyOptions) -> dict[str, Any]:
    return {} if options.epochs is None else {"epochs": options.epochs}


def _drawn(study: Study, out: Path, title: str, notes: Sequence[str]) -> bytes | str:
    kind = out.suffix.lower()
    if kind == ".svg":
        return study.svg(title)
    return study.png(title) if kind == ".png" else study.html(title, notes=notes)


def _document(study: Study, data: Data | None, out: Path | None, notes: Sequence[str]) -> dict[str, Any]:
    about = {} if data is None else dict(data.about)
    notes = [*(data.notes if data is not None else ()), *notes]
    return {
        **study.to_dict(),
        "schema_version": SCHEMA_VERSION,
        "command": "study",
        **about,
        "notes": notes,
        "files": {"out": None if out is None else str(out)},
    }
