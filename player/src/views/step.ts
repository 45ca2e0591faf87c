// From the rows to the step: the mean of the rows' derivatives, and the update with its numbers.

import { allShortened, capital, el, named, pretty, redraw, signed, subscript } from "../dom";
import { type Point, sums, update as updated } from "../math";
import { lowered } from "../run";
import { POINT, reached, type State, type Store } from "../store";

const SHOWN = 12;
const LATER = "not yet computed";

/** One weight, or b: what it is, its derivative over the rows of the step, and what that is made of. */
export function terms(store: Store, j: number) {
  const { here, row, point } = store;
  const isBias = j === point.w.length;
  const [w, slope, x] = isBias ? [point.b, here.dL_db, 1] : [point.w[j], here.dL_dw[j], row.x[j]];
  const ofRow = row.dL_dz * x;
  const own = store.share * ofRow;
  const penalty = isBias ? 0 : store.run.how.alpha * w;
  return { w, slope, ofRow, own, penalty, others: slope - own - penalty };
}

/** The weights and b, the largest derivatives first. */
export function strongest(store: Store): number[] {
  const { here } = store;
  const slopes = [...here.dL_dw, here.dL_db].map(Math.abs);
  return [...slopes.keys()].sort((i, j) => slopes[j] - slopes[i]);
}

export function view(store: Store, place: Element): void {
  const { data } = store;
  const short = allShortened(data.names, 40);
  const show = (state: State): void => {
    const { point, here, batch, batches, run, share } = store;
    const { how, training } = run;
    const order = strongest(store).slice(0, SHOWN);
    const [own, mean, update] = [reached(state, "dz_dw"), reached(state, "mean"), reached(state, "update")];
    const notIn = data.isHeldOut[state.row] ? "0, held out" : "0, not in the batch";
    const line = (j: number): HTMLElement => {
      const of = terms(store, j);
      return el(
        "tr",
        {},
        j < data.names.length ? named(short[j], data.names[j], `w${subscript(j + 1)}`) : named("bias", "bias", "b"),
        el("td", {}, own ? pretty(of.ofRow) : LATER),
        el("td", {}, !mean ? LATER : share ? pretty(of.own) : notIn),
        el("td", {}, mean ? pretty(of.others) : LATER),
        how.alpha > 0 && el("td", {}, mean ? pretty(of.penalty) : LATER),
        el("td", { class: mean ? "back" : "" }, mean ? pretty(of.slope) : LATER),
        el("td", { class: "update" }, update ? `${pretty(of.w)} − ${pretty(how.rate)} · ${signed(of.slope)} = ${pretty(of.w - how.rate * of.slope)}` : LATER),
      );
    };
    const all = (at: Point): number => sums(training, at, how.alpha).objective;
    const now = batch ? all(point) : here.objective;
    const then = update ? all(updated(point, here, how.rate, how.fitIntercept)) : NaN;
    const loss = `${capital(lowered(how))}${batch ? " over all training rows" : ""}`;
    const rows = batch ? `${batch.length} in the batch` : training.m.toLocaleString("en");
    redraw(place, () => [
      el(
        "table",
        {},
        el("thead", {}, el("tr", {}, ...["column", "this row", `its part of the mean of ${rows}`, "part of the other rows", ...(how.alpha > 0 ? ["penalty α w"] : []), "∂L/∂w: the mean", "w − rate · ∂L/∂w"].map((head) => el("th", { scope: "col" }, head)))),
        el("tbody", {}, ...order.map(line)),
      ),
      data.names.length + 1 > order.length && el("p", { class: "note" }, `${data.names.length + 1 - order.length} more with smaller derivatives.`),
      el("p", {}, update ? `${loss} goes from ${pretty(now, 6)} to ${pretty(then, 6)}${then > now ? ": it rises" : ""}.` : `${loss} is ${pretty(now, 6)} here.`),
      batch && el("p", { class: "note" }, `This is batch ${state.batch + 1} of ${batches.length} of the epoch: each makes a step of its own. Every epoch deals the rows into batches anew.`),
    ]);
  };
  store.watch([...POINT, "row", "stage"], show, place);
}
