"""`chainrule play`: a page that shows gradient descent learning a table, and computes each number again."""

import warnings
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chainrule.cli.running import Voice, check_outputs, penguins
from chainrule.data.files import Source, read_table
from chainrule.documents.blocks import Facts
from chainrule.documents.player import player
from chainrule.errors import ChainruleWarning, DivergenceWarning, InputError, LearningRateWarning, OscillationWarning
from chainrule.findings import SHELL, said_by, say
from chainrule.fitting.spec import FitSpec
from chainrule.model.files import write_atomically
from chainrule.playing import play, sampled
from chainrule.training import prepare_as_asked

OF_RATE = (LearningRateWarning, OscillationWarning, DivergenceWarning)


def run(
    table: Source | None,
    target: str | None,
    *,
    test_size: float,
    seed: int,
    learning_rate: str | None,
    epochs: int,
    alpha: float | None,
    standardize: bool,
    n_threads: int | None,
    out: Path,
    opens: bool,
    na: Sequence[str],
    voice: Voice,
    **learned: Any,
) -> None:
    """Train, and write the page."""
    if (table is None) != (target is None):
        raise InputError(
            "a table needs --target, the column to learn" if table else "--target needs a table: name its file"
        )
    check_outputs({"--out": out}, [] if table is None else table.paths)
    spec = FitSpec.of(
        SHELL, method="gradient-descent", learning_rate=learning_rate, epochs=epochs, alpha=alpha, standardize=standardize,
        n_threads=n_threads,
    )  # fmt: skip
    if table is None:
        whole, target = penguins(na), "sex"
    else:
        whole = read_table(table, na=na)
    assert target is not None
    part, places = sampled(whole, target)
    prepared = prepare_as_asked(part, target, test_size=test_size, seed=seed, na=na, **learned)
    voice.note(*prepared.notes)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore", ChainruleWarning)  # the page shows how far the run went
        for kind in OF_RATE:
            warnings.simplefilter("always", kind)
        played = play(prepared, spec, places, whole.num_rows)
    voice.note(*(say(said_by(each.message), SHELL) for each in caught))
    text = player(played).html
    write_atomically(out, text)
    if opens:
        webbrowser.open(out.resolve().as_uri())
    document = {
        "command": "play",
        "page": str(out),
        "bytes": len(text.encode()),
        "rows": len(played.y),
        "sampled_from": played.sampled_from,
        "features": list(played.names),
        "epochs": int(played.trace.columns["epoch"][-1]),
        "rate": played.rate,
        "rate_limit": played.rate_limit,
    }
    of = ", a sample of {sampled_from:row}" if played.sampled_from else ""
    facts = {"page": "{page}: open it in a browser; it needs no network", "rows": f"{{rows:row}}, held inside the page{of}",
             "run": "{epochs:epoch} at rate {rate:4}; the largest stable rate is {rate_limit:floor}"}  # fmt: skip
    voice.tell(document, lambda of: [Facts.of(facts, **of)])
