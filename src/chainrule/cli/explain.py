"""`chainrule explain`: one row forward and backward, with its numbers."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from chainrule.cli.running import Voice, check_ending, check_outputs, headed
from chainrule.data.encoding import UNSEEN
from chainrule.data.files import Source
from chainrule.data.inputs import choice
from chainrule.data.tables import encode_table
from chainrule.documents.rows import explanation as explanation_blocks
from chainrule.errors import InputError
from chainrule.findings import Finding, say
from chainrule.model.files import write_atomically
from chainrule.model.model import load_model, load_trace, trace_belongs, trace_path
from chainrule.training import explain, read_for

PICTURES = (".svg", ".png", ".pdf")


def run(
    model: Path,
    table: Source,
    *,
    row: int,
    epoch: int | None,
    picture: Path | None,
    narrow: bool,
    na: Sequence[str],
    unseen: str,
    voice: Voice,
) -> None:
    """Explain one row; with an epoch, using the weights after it."""
    choice("--unseen", unseen, UNSEEN)
    check_outputs({"--picture": picture}, [model, trace_path(model), *table.paths])
    check_ending("--picture", picture, PICTURES)
    if narrow and picture is None:
        raise InputError("--narrow is about the picture: name its file with --picture")
    trained = load_model(model)
    trace = None if epoch is None else load_trace(trace_path(model))
    if trace is not None and not trace_belongs(trained, trace):
        raise InputError(f"{trace_path(model)} is not the trace of {model}: train again, so that both are of one run")
    rows = read_for(trained, table, na)
    told = explain(trained, encode_table(trained.schema, rows, unseen=unseen), row, trace=trace, epoch=epoch)
    alone = encode_table(trained.schema, rows.slice(row - 1, 1), unseen=unseen)
    z = trained.predicted(alone.blocks, np.zeros(1))[0]
    infinite = [say(Finding("stands for infinity", {"z": float(z)}))] * bool(z != 0.0 and epoch is None)
    notes = (*alone.notes, *infinite)  # about this row alone
    voice.note(*notes)
    if picture is not None:
        from chainrule.charts.canvas import encode_png
        from chainrule.charts.graph_picture import NARROW, WIDE, row_graph

        drawn = row_graph(told["explanation"], NARROW if narrow else WIDE)
        kinds: dict[str, Callable[[], bytes | str]] = {
            ".svg": drawn.standalone, ".png": lambda: encode_png(drawn.pixels()), ".pdf": drawn.pdf,
        }  # fmt: skip
        write_atomically(picture, kinds[picture.suffix.lower()]())
    document = headed("explain", trained.schema, model=model, table=table) | {
        "method": trained.info["method"],
        "epochs": trained.info["n_epochs"],
        **told,
        "picture": None if picture is None else str(picture),
        "notes": list(notes),
    }
    voice.tell(document, explanation_blocks)
