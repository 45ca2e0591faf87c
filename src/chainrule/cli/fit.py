"""`chainrule fit`: train on a table, print what happened, write model, trace and report."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.cli import DONE, INTERRUPTED, NOT_STRICT
from chainrule.cli import options as opt
from chainrule.cli.running import Voice, check_outputs, headed
from chainrule.data.files import read_table
from chainrule.documents import results
from chainrule.documents.html import as_html
from chainrule.documents.progress import FitProgress
from chainrule.documents.report import report as report_blocks
from chainrule.errors import ChainruleWarning, InputError
from chainrule.findings import SHELL
from chainrule.fitting.methods import METHODS
from chainrule.fitting.result import REASONS, Result
from chainrule.fitting.spec import FitSpec
from chainrule.model.files import is_stream, write_atomically
from chainrule.model.model import save_model, save_trace, trace_path
from chainrule.studies.learned import learned_by
from chainrule.studies.progress import progress_of
from chainrule.training import Training, check_row, closest_call, explain, prepare_as_asked, train
from chainrule.words import plain, visible


def run(
    table: Path,
    target: str,
    *,
    test_size: float,
    seed: int,
    out: Path | None,
    report: Path | None,
    row: int | None,
    relations: bool,
    strict: bool,
    voice: Voice,
    **more: Any,
) -> int:
    """Train, write, print; return the exit code. more: how the table is prepared, and the options of `FitSpec.of`."""
    learned = {name: more.pop(name) for name in opt.LEARNED}
    spec = FitSpec.of(SHELL, seed=seed, **more)
    if row is not None and report is None:
        raise InputError("--row chooses the row of the report: add --report FILE")
    # nothing can be written beside a stream
    trace = None if out is None or is_stream(out) else trace_path(out)
    check_outputs({"--out": out, "--out (its trace)": trace, "--report": report}, [table])
    prepared = prepare_as_asked(read_table(table, na=learned["na"]), target, test_size=test_size, seed=seed, **learned)
    if row is not None:
        check_row(prepared.encoded, row)
    voice.note(*prepared.notes)
    with FitProgress(voice.messages, spec.asked.name) as progress, warnings.catch_warnings():
        warnings.simplefilter("ignore", ChainruleWarning)  # the result lists them
        training = train(prepared, spec, progress=progress)
    result = training.result
    wanted = {"model": out, "trace": trace, "report": report}
    written = _write({name: path for name, path in wanted.items() if path}, training, table.name, row)
    document = _document(training, str(table), {name: written.get(name) for name in wanted})
    voice.note(*(result.warnings if voice.as_json else results.notes(document["result"])))
    more_said = results.relations(document["result"]) if relations else []
    voice.tell(document, lambda of: [*results.fit(of), *more_said, *results.set_aside(of)])
    missing = ", ".join(str(path) for name, path in wanted.items() if path and name not in written)
    if result.reason == "interrupted" or missing:
        there = ", ".join(map(str, written.values()))
        voice.messages.print(visible(_interrupted(result, there, missing)), soft_wrap=True, markup=False)
        return INTERRUPTED
    if strict and (result.reason != "converged" or result.warnings):
        why = "there was a warning" if result.reason == "converged" else REASONS[result.reason]
        voice.note(f"exit code 3, by --strict: {why}")
        return NOT_STRICT
    return DONE


def _write(wanted: Mapping[str, Path], training: Training, title: str, row: int | None) -> Mapping[str, Path]:
    """Write the files asked for, each whole or not at all; return those written: fewer if Ctrl-C came between."""
    writers: dict[str, Callable[[Path], None]] = {
        "model": lambda path: save_model(path, training.model),
        "trace": lambda path: save_trace(path, training.result.trace),
        "report": lambda path: write_report(path, training, title, row),
    }
    written: dict[str, Path] = {}
    try:
        for name, path in wanted.items():
            writers[name](path)
            written[name] = path
    except KeyboardInterrupt:
        pass  # the caller compares the two
    except (InputError, OSError) as error:
        if not written:
            raise
        said = str(error) if isinstance(error, InputError) else f"{error.filename or path}: {error.strerror or error}"
        raise InputError(f"{said}; written before it: {', '.join(map(str, written.values()))}") from None
    return written


def _interrupted(result: Result, there: str, missing: str) -> str:
    """Say what Ctrl-C left behind, in training or after it."""
    if missing:
        return f"interrupted after training: wrote {there or 'nothing'}; not written: {missing}"
    end = f"is in {there}" if there else "is not kept (there was no --out)"
    return f"interrupted: the state after {METHODS[result.method].noun} {result.epoch:,} {end}"


def _document(training: Training, table: str, files: Mapping[str, Path | None]) -> dict[str, Any]:
    """Make a fit's document: result, figures, coefficients, predictions of the rows set aside, files, notes."""
    prepared, model, result = training.prepared, training.model, training.result.to_dict()
    parts = {"training": prepared.train, "held_out": prepared.test, "set_aside": prepared.unknown}
    error = result["certificate"]["intercept"]
    return headed("fit", prepared.schema, table=table) | {
        "rows": {name: len(rows) for name, rows in parts.items()},
        "training": training.train_figures,
        "held_out": training.test_figures,
        "intercept": {"b": model.b, "b_fit": model.b_fit, **results.how_near(model.b, error)},
        "coefficients": _coefficients(training, result["certificate"]),
        "predictions": training.predictions,
        "notes": list(prepared.notes),
        "files": {name: None if path is None else str(path) for name, path in files.items()},
        "learned": progress_of(training.result, training.deviations).to_dict(),
        "result": result,
    }


def _coefficients(training: Training, proven: Mapping[str, Any]) -> list[dict[str, Any]]:
    model, sd = training.model, training.deviations
    with np.errstate(over="ignore"):
        odds, odds_fit, odds_sd = np.exp(model.w), np.exp(model.w_fit), np.exp(model.w * sd)
    columns = {
        "name": model.schema.feature_names, "w": model.w, "odds_ratio": odds, "w_fit": model.w_fit, "odds_ratio_fit": odds_fit,
        "center": model.center, "scale": model.scale, "sd": sd, "odds_ratio_sd": odds_sd, "error": proven["coef"],
        "digits": proven["digits"],
    }  # fmt: skip
    return [dict(zip(columns, line, strict=True)) for line in zip(*plain(columns).values(), strict=True)]


def write_report(path: Path, training: Training, title: str, row: int | None = None) -> None:
    """Write the report of a training as one HTML page.

    row: the row, from 1, that it explains; else the training row that the model gets right by the smallest margin.
    """
    prepared, model, z = training.prepared, training.model, training.z
    y = prepared.encoded.y
    document = _document(training, title, {})
    document |= explain(model, prepared.encoded, closest_call(training) if row is None else row)
    told = document["explanation"]
    # if every row is at g = 1/2 or wrong, no row is right by any margin
    is_right = told["y"] is not None and (2 * told["y"] - 1) * told["z"] > 0
    told["closest"] = row is None and is_right
    parts = [(z[rows], y[rows]) for rows in (prepared.train, prepared.test) if len(rows)]
    blocks = report_blocks(plain(document), training.result.trace, parts, learned_by(training))
    write_atomically(path, as_html(blocks, title))
