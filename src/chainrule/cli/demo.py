"""`chainrule demo`: the penguins, from a table to a model, a report and eleven predictions."""

from importlib.resources import as_file, files
from pathlib import Path

from chainrule import terminal
from chainrule.cli import DONE, INTERRUPTED
from chainrule.cli.documents import fit_document, gradient_document
from chainrule.cli.fit import tell_interrupt, tell_warnings, train_watched, write_files
from chainrule.cli.outputs import check_outputs, make_folder, plain, print_json
from chainrule.model import trace_path
from chainrule.tables import read_table
from chainrule.training import Descent, Prepared, closest_call, explain, prepare

FEATURES = ("species", "island", "bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
EPOCHS = 10_000
TITLE = "Penguins: male or female?"
SOURCE = (
    "Data: Gorman, Williams and Fraser (2014), PLoS ONE 9(3) e90081; Palmer Station LTER; from the Python package "
    "palmerpenguins 0.1.6, CC0"
)


def run_demo(out_dir: Path, *, as_json: bool, quiet: bool) -> int:
    """Train on the penguins, show everything, write model, trace, report and the data themselves."""
    make_folder("--out-dir", out_dir)
    model = out_dir / "model.safetensors"
    paths: dict[str, Path | None] = {
        "model": model,
        "trace": trace_path(model),
        "report": out_dir / "report.html",
        "data": out_dir / "penguins.csv",
    }
    check_outputs({f"--out-dir ({name})": path for name, path in paths.items()})
    messages = terminal.messages(quiet=quiet)
    prepared = prepare_penguins()
    for text in prepared.notes:
        terminal.note(messages, text)
    watched = train_watched(prepared, descent_for(prepared), messages)
    training = watched.training
    row = closest_call(training)
    written = write_files(training, paths, TITLE, None, (SOURCE,))
    tell_warnings(messages, watched, as_json=as_json)
    explanation, whole, part = explain(training.model, prepared.design, row)
    document = fit_document(training, str(paths["data"]), written) | {
        "command": "demo",
        "epochs": training.result.n_epochs,
        "whole_gradient": gradient_document(whole),
        "explanation": plain(explanation.to_dict()) | {"part": part},
    }
    if as_json:
        print_json(document)
    else:
        terminal.print_demo(terminal.results(), document)
    if watched.interrupted or written != paths:
        tell_interrupt(messages, training, paths, written)
        return INTERRUPTED
    return DONE


def prepare_penguins() -> Prepared:
    """Read the embedded penguins and hold out a quarter of the birds of known sex."""
    with as_file(files("chainrule") / "data" / "penguins.csv") as path:
        table = read_table(path)
    return prepare(table, "sex", features=FEATURES, test_size=0.25, seed=0)


def descent_for(prepared: Prepared) -> Descent:
    """Train to the optimum with a light penalty: alpha is 1 over the number of training rows."""
    return Descent(alpha=1 / len(prepared.train), epochs=EPOCHS)
