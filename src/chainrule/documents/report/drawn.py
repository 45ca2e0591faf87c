"""The pictures of a report."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.charts import charts, curves
from chainrule.charts.graph_picture import row_graph_svg
from chainrule.charts.maps import MapPanel, Points, decision_maps
from chainrule.charts.shares import gradient_shares
from chainrule.charts.text import number
from chainrule.documents.report.inputs import ReportInputs, is_newton, numeric_columns
from chainrule.documents.report.templates import markup
from chainrule.losses import sigmoid
from chainrule.studies.learned import Learned

if TYPE_CHECKING:
    from chainrule.charts.curves import TraceLike

TINY = 1e-3  # nats: three digits of less would leave the map's note no room


def charts_of(inputs: ReportInputs, classes: tuple[str, str]) -> dict[str, Any]:
    """Draw the charts, by the name that the template knows them by."""
    c = inputs.coefficients
    numeric = numeric_columns(c)
    w, scale = np.asarray(c.w, dtype=np.float64), np.asarray(c.scale, dtype=np.float64)
    per_sd = numeric & (scale != 1)
    g, y = sigmoid(np.asarray(inputs.training.z)), inputs.training.y
    made = {
        **_curves(inputs),
        "odds": charts.odds_forest(c.names, np.where(per_sd, w * scale, w), per_sd=per_sd),
        "probabilities": charts.probability_histogram(g, y, classes=classes),
        "loss_of_g": charts.loss_of_g(g, y, classes=classes),
        "loss_of_z": charts.loss_of_z(inputs.training.z, y, classes=classes),
        **_learned(inputs.learned, classes),
    }
    if inputs.held_out is not None:
        held_out = inputs.held_out
        made["held_out"] = charts.probability_histogram(sigmoid(np.asarray(held_out.z)), held_out.y, classes=classes)
    return {name: markup(svg) for name, svg in made.items()}


def _curves(inputs: ReportInputs) -> dict[str, str]:
    """Draw how the run went: over the epochs of gradient descent; over the reads of the data where steps are few."""
    m, result, learning = inputs.training.metrics, inputs.result, inputs.learning
    trace = inputs.trace if learning is None else learning.trace
    by_reads = learning is None and is_newton(result) and "reads" in trace.columns
    proven = result.get("certificate") or {}
    optimum_loss = result.get("loss") if learning is not None and proven.get("kind") == "bound" else None
    made: dict[str, str] = {
        "loss": curves.loss_curves(trace, base_loss=m.get("base_loss"), optimum_loss=optimum_loss, by_reads=by_reads),
        "accuracy": curves.accuracy_curves(trace, base_accuracy=m.get("base_accuracy"), by_reads=by_reads),
    }
    low = proven.get("optimum_at_least")
    runs = [_descent(result, inputs.trace, low)]
    if learning is not None:
        runs.append(_descent(learning.result, learning.trace, low))
    gap = curves.gap_curves(runs, tol=result.get("tol"), infimum=proven.get("kind") == "infimum")
    return made if gap is None else made | {"gap": gap}


def _learned(learned: Learned | None, classes: tuple[str, str]) -> dict[str, str]:
    """Draw the shares of the gradient and the maps, where there are any."""
    made: dict[str, str] = {}
    if learned is not None and learned.gradients is not None:
        g = learned.gradients
        made["shares"] = gradient_shares(g.epochs.astype(np.float64), g.shares, g.names, unit=learned.progress.unit)
    if learned is not None and learned.maps is not None:
        m, unit = learned.maps, learned.progress.unit
        panels = [
            MapPanel(f"{unit} {epoch:,}", (float(w[0]), float(w[1])), float(b), _loss_note(float(loss)))
            for epoch, w, b, loss in zip(m.epochs.tolist(), m.w, m.b, m.loss, strict=True)
        ]
        points = Points(m.x, m.y, m.label, m.of, " of positive weight" if m.of < m.rows else "")
        made["maps"] = decision_maps([("", panels)], points, x_label=m.names[0], y_label=m.names[1], classes=classes,
                                     x_range=m.x_range, y_range=m.y_range)  # fmt: skip
    return made


def _loss_note(loss: float) -> str:
    return f"loss {number(loss, 3 if loss >= TINY else 2)}" if np.isfinite(loss) else ""


def _descent(result: Mapping[str, Any], trace: "TraceLike", optimum_at_least: float | None) -> curves.Descent:
    if is_newton(result):
        return curves.Descent("Newton", "one", trace, optimum_at_least)
    return curves.Descent("gradient descent", "training", trace, optimum_at_least, own=False)


def graphs_of(explanation: Mapping[str, Any] | None) -> list[tuple[str, Any]]:
    """Draw the computation graph of the row explained, for a wide and for a narrow page."""
    if explanation is None:
        return []
    return [
        (name, markup(row_graph_svg(explanation, narrow=name == "narrow", standalone=False)))
        for name in ("wide", "narrow")
    ]
