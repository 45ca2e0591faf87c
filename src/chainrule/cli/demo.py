"""`chainrule demo`: the penguins, from a table to a model, a report and eleven predictions."""

from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from chainrule import terminal
from chainrule.cli import DONE, INTERRUPTED
from chainrule.cli.documents import fit_document, gradient_document
from chainrule.cli.fit import train_with_progress
from chainrule.cli.outputs import check_outputs, make_folder, plain, print_json
from chainrule.cli.reporting import write_report
from chainrule.cli.running import notes_on_stderr
from chainrule.files import write_atomically
from chainrule.model import save_model, save_trace, trace_path
from chainrule.tables import read_table
from chainrule.training import Descent, Prepared, Training, explain, prepare

FEATURES = ("species", "island", "bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
EPOCHS = 20_000
TITLE = "Penguins: male or female?"


def prepare_penguins() -> Prepared:
    """Read the embedded penguins and hold out a quarter of the birds of known sex."""
    with as_file(files("chainrule") / "data" / "penguins.csv") as path:
        table = read_table(path)
    return prepare(table, "sex", features=FEATURES, test_size=0.25, seed=0)


def descent_for(prepared: Prepared) -> Descent:
    """Train to the optimum with a light penalty: alpha is 1 over the number of training rows."""
    return Descent(alpha=1 / len(prepared.train), epochs=EPOCHS)


def run_demo(out_dir: Path, *, as_json: bool, quiet: bool) -> int:
    """Train on the penguins, show everything, write model, trace, report and the data themselves."""
    make_folder("--out-dir", out_dir)
    model_path, report = out_dir / "model.safetensors", out_dir / "report.html"
    trace, data = trace_path(model_path), out_dir / "penguins.csv"
    check_outputs({"--out-dir": model_path, "--out-dir (trace)": trace, "--out-dir (report)": report, "data": data})
    messages = terminal.messages(quiet=quiet)
    with notes_on_stderr(lambda text: terminal.note(messages, text)):
        prepared = prepare_penguins()
        training, interrupted = train_with_progress(prepared, descent_for(prepared), messages)
        save_model(model_path, training.model)
        save_trace(trace, training.result.trace)
        row = most_surprising(training)
        write_report(report, training, TITLE, row)
        write_atomically(data, (files("chainrule") / "data" / "penguins.csv").read_bytes())
    explanation, whole = explain(training.model, prepared.design, row)
    wrote = {"model": model_path, "trace": trace, "report": report, "data": data}
    document = fit_document(training, str(data), wrote) | {
        "command": "demo",
        "whole_gradient": gradient_document(whole),
        "explanation": plain(explanation.to_dict()),
    }
    if as_json:
        print_json(document)
    else:
        terminal.print_demo(terminal.results(), document)
    if interrupted:
        messages.print(f"interrupted: the state after epoch {training.result.n_epochs:,} is written", soft_wrap=True)
    return INTERRUPTED if interrupted else DONE


def most_surprising(training: Training) -> int:
    """Find the training row, from 1, with the largest loss among those that the model still gets right."""
    rows, y = training.prepared.train, training.prepared.design.y
    assert y is not None
    margin = (2 * y[rows] - 1) * training.model.decision(training.prepared.design.X[rows])
    right = margin > 0
    return int(rows[np.argmin(np.where(right, margin, np.inf))]) + 1
