"""`chainrule explain`: one row forward and backward, with its numbers."""

from collections.abc import Sequence
from pathlib import Path

from chainrule.cli import DONE
from chainrule.cli.running import check_outputs, headed, tell
from chainrule.data.tables import encode_table
from chainrule.documents import terminal
from chainrule.documents.rows import explanation as explanation_blocks
from chainrule.errors import InputError
from chainrule.model.files import write_atomically
from chainrule.model.model import Model, load_model, load_trace, trace_belongs, trace_path
from chainrule.solvers.trace import Trace
from chainrule.training import explain, read_for


def run(
    model: Path,
    table: Path,
    *,
    row: int,
    epoch: int | None,
    svg: Path | None,
    na: Sequence[str] | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Explain one row; with an epoch, as it was then."""
    trained = load_model(model)
    check_outputs({"--svg": svg}, [model, trace_path(model), table])
    trace = None if epoch is None else _trace_of(trained, model)
    rows = read_for(trained, table, na or ())
    told = explain(trained, encode_table(trained.schema, rows), row, trace=trace, epoch=epoch)
    messages = terminal.messages(quiet=quiet)
    terminal.note(messages, *encode_table(trained.schema, rows.slice(row - 1, 1)).notes)  # about this row alone
    if svg is not None:
        from chainrule.charts.graph_picture import row_graph

        write_atomically(svg, row_graph(told["explanation"]).standalone())
    document = headed("explain", trained.schema, model=model, table=table) | {
        "method": trained.info["method"],
        "epochs": trained.info["n_epochs"],
        **told,
        "svg": None if svg is None else str(svg),
    }
    tell(document, explanation_blocks, as_json=as_json)
    return DONE


def _trace_of(model: Model, path: Path) -> Trace:
    """Read the trace beside a model; refuse that of another run."""
    beside = trace_path(path)
    if not beside.exists():
        raise InputError(f"--epoch needs {beside}, which chainrule fit writes beside the model; it is not there")
    trace = load_trace(beside)
    # a thinned trace may have dropped the very epoch that the model is from
    if trace.w.shape[1:] != model.w_fit.shape or (trace.stride == 1 and not trace_belongs(model, trace)):
        raise InputError(f"{beside} is not the trace of {path}: train again, so that both are of one run")
    return trace
