// From the rows to the step: the mean of the rows' derivatives, and the update with its numbers.

import { allShortened, el, pretty, put } from "../dom";
import { reached, type Store } from "../store";

const SHOWN = 12;

export function view(store: Store, place: Element): void {
  const { data } = store;
  const short = [...allShortened(data.names, 40), "bias"];
  store.watch((state) => {
    const at = store.point;
    const sum = store.here;
    const row = store.row;
    const { rate, alpha } = store.run.how;
    const isCounted = !data.isHeldOut[state.row];
    const share = (store.run.rows.s ? store.run.rows.s[state.row] : 1) / sum.weight;
    const names = [...data.names, "bias"];
    const order = [...names.keys()].sort((i, j) => Math.abs(slope(j)) - Math.abs(slope(i))).slice(0, SHOWN);
    const [mean, update] = [reached(state, "mean"), reached(state, "update")];
    const later = "not yet computed";
    function slope(j: number): number {
      return j < store.run.rows.n ? sum.dL_dw[j] : sum.dL_db;
    }
    const lines = order.map((j) => {
      const [w, x] = j < store.run.rows.n ? [at.w[j], row.x[j]] : [at.b, 1];
      const of = row.dL_dz * x;
      return el(
        "tr",
        {},
        el("th", { scope: "row", title: names[j] }, short[j]),
        el("td", {}, pretty(of)),
        el("td", {}, isCounted ? pretty(share * of) : "0, held out"),
        el("td", {}, mean ? pretty(slope(j) - (isCounted ? share * of : 0) - (j < at.w.length ? alpha * at.w[j] : 0)) : later),
        el("td", { class: "back" }, mean ? pretty(slope(j)) : later),
        el("td", {}, update ? `${pretty(w)} − ${pretty(rate)} · ${pretty(slope(j))} = ${pretty(w - rate * slope(j))}` : later),
      );
    });
    const penalty = alpha > 0 ? ", and the penalty's α w" : "";
    const next = reached(state, "update") && state.epoch < store.run.path.last ? store.sums(state.epoch + 1).objective : null;
    put(
      place,
      el(
        "table",
        {},
        el("thead", {}, el("tr", {}, ...["column", "this row", `its part of the mean of ${data.training.m}`, "part of the other rows", `∂L/∂w: the mean${penalty}`, "w − rate · ∂L/∂w"].map((head) => el("th", { scope: "col" }, head)))),
        el("tbody", {}, ...lines),
      ),
      names.length > order.length && el("p", { class: "note" }, `${names.length - order.length} more with smaller derivatives.`),
      el("p", {}, next === null ? `The loss is ${pretty(sum.objective, 6)} here.` : `The loss goes from ${pretty(sum.objective, 6)} to ${pretty(next, 6)}${next > sum.objective ? ": it rises" : ""}.`),
      store.run.how.size > 0 && el("p", { class: "note" }, `This run makes a step after each batch of ${store.run.how.size} rows; the table shows one step on all of them.`),
    );
  });
}
