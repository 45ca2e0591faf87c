"""`chainrule explain`: one row forward and backward, with its numbers."""

from collections.abc import Sequence
from pathlib import Path

from chainrule.cli import DONE, SCHEMA_VERSION
from chainrule.cli.documents import gradient_document
from chainrule.cli.outputs import check_outputs, inputs_of, print_json
from chainrule.data.tables import encode_table
from chainrule.documents import rows, terminal
from chainrule.errors import InputError
from chainrule.model.files import write_atomically
from chainrule.model.model import load_model, load_trace, trace_belongs, trace_path
from chainrule.training import explain, read_for


def run_explain(
    model_path: Path,
    table_path: Path,
    na: Sequence[str],
    *,
    row: int,
    epoch: int | None,
    svg: Path | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Explain one row; with an epoch, as it was then."""
    check_outputs({"--svg": svg}, inputs_of(model_path, table_path))
    messages = terminal.messages(quiet=quiet)
    model = load_model(model_path)
    trace = None
    if epoch is not None:
        beside = trace_path(model_path)
        if not beside.exists():
            raise InputError(f"--epoch needs {beside}, which chainrule fit writes beside the model; it is not there")
        trace = load_trace(beside)
        # a thinned trace may have dropped the very epoch that the model is from
        if trace.w.shape[1:] != model.w_fit.shape or (trace.stride == 1 and not trace_belongs(model, trace)):
            raise InputError(f"{beside} is not the trace of {model_path}: train again, so that both are of one run")
    table = read_for(model, table_path, na)
    explanation, whole, part = explain(model, encode_table(model.schema, table), row, trace=trace, epoch=epoch)
    for text in encode_table(model.schema, table.slice(row - 1, 1)).notes:  # of this row alone
        terminal.note(messages, text)
    told = explanation.to_dict() | {"part": part}
    if svg is not None:
        from chainrule.charts.graph_picture import row_graph

        write_atomically(svg, row_graph(told).standalone())
    document = {
        "schema_version": SCHEMA_VERSION,
        "command": "explain",
        "model": str(model_path),
        "table": str(table_path),
        "target": model.schema.target,
        "positive": model.schema.positive,
        "negative": model.schema.negative,
        "method": model.info["method"],
        "epochs": model.info["n_epochs"],
        "whole_gradient": gradient_document(whole),
        "explanation": told,
        "svg": None if svg is None else str(svg),
    }
    if as_json:
        print_json(document)
    else:
        terminal.show(terminal.results(), rows.explanation(document))
    return DONE
