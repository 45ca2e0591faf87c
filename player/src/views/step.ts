// From the rows to the step: the mean of the rows' derivatives, and the update with its numbers.

import { alike, allShortened, capital, el, named, pretty, redraw, signed, subscript } from "../dom";
import { type Point, slopes, sums, update as updated } from "../math";
import { lowered } from "../run";
import { POINT, reached, type State, type Store } from "../store";

const SHOWN = 12;
const LATER = "not yet computed";

/** The weight that the formulas follow, n for b: the chosen one, or the steepest at the run's start whose x is not 0 in the row. */
export function followed(store: Store): number {
  const { column, row } = store.state;
  if (column !== null) return column;
  const { rows, how } = store.state.runs[0];
  const sizes = store.sums(0, 0).dL_dw.map((slope, j) => (rows.x[row * rows.n + j] ? Math.abs(slope) : -1));
  const most = Math.max(...sizes);
  return most < 0 && how.fitIntercept ? rows.n : sizes.indexOf(most);
}

/** One weight, or b: what it is, its derivative over the rows of the step, and what that is made of. */
export function terms(store: Store, j: number) {
  const { here, row, point, run } = store;
  const isBias = j === point.w.length;
  const [w, slope, x] = isBias ? [point.b, here.dL_db, 1] : [point.w[j], here.dL_dw[j], row.x[j]];
  const ofRow = row.dL_dz * x;
  const own = (store.weight * ofRow) / here.weight;
  const penalty = isBias ? 0 : run.how.alpha * w;
  const others = slope - own - penalty;
  const isRounding = Math.abs(others) <= (isBias ? here.bounds.dL_db : here.bounds.dL_dw[j]);
  return { w, x, slope, ofRow, own, penalty, others: isRounding ? 0 : others, next: w - run.how.rate * slope };
}

/** The weight that is followed, then the others and b, the largest derivatives first. */
function listed(store: Store): number[] {
  const { here, run } = store;
  const sizes = slopes(here, run.how.fitIntercept).map(Math.abs);
  sizes[followed(store)] = Infinity;
  return [...sizes.keys()].sort((i, j) => sizes[j] - sizes[i]);
}

/** Why the row that is shown is no part of the mean. */
export function outside({ data, run, state }: Store): string {
  if (data.isHeldOut[state.row]) return "held out";
  return run.rows.s?.[state.row] === 0 ? "of weight 0" : "not in the batch";
}

export function view(store: Store, place: Element): void {
  const { data } = store;
  const short = allShortened(data.names, 40);
  const show = (state: State): void => {
    const { point, here, batch, batches, run, weight } = store;
    const { how } = run;
    const { training } = store.table;
    const every = listed(store);
    const order = every.slice(0, SHOWN);
    const [own, mean, update] = [reached(state, "dz_dw"), reached(state, "mean"), reached(state, "update")];
    const line = (j: number): HTMLElement => {
      const of = terms(store, j);
      const write = alike(of.own, of.others, of.penalty, of.slope);
      const writeStep = alike(of.w, of.next);
      return el(
        "tr",
        {},
        j < data.names.length ? named(short[j], data.names[j], `w${subscript(j + 1)}`) : named("bias", "bias", "b"),
        el("td", {}, own ? pretty(of.ofRow) : LATER),
        el("td", {}, !mean ? LATER : weight ? write(of.own) : `0, ${outside(store)}`),
        el("td", {}, mean ? write(of.others) : LATER),
        how.alpha > 0 && el("td", {}, mean ? write(of.penalty) : LATER),
        el("td", { class: mean ? "back" : "" }, mean ? write(of.slope) : LATER),
        el("td", { class: "update" }, update ? `${writeStep(of.w)} − ${pretty(how.rate)} · ${signed(of.slope)} = ${writeStep(of.next)}` : LATER),
      );
    };
    const all = (at: Point): number => sums(training, at, how.alpha).objective;
    const now = batch ? all(point) : here.objective;
    const then = update ? all(updated(point, here, how.rate, how.fitIntercept)) : NaN;
    const loss = `${capital(lowered(how))}${batch ? " over all training rows" : ""}`;
    const rows = batch ? `${batch.length} in the batch` : training.m.toLocaleString("en");
    const part = data.rows.s ? `its part of the mean${batch ? " of the batch" : ""}: weight ${pretty(weight)} of ${pretty(here.weight)}` : `its part of the mean of ${rows}`;
    redraw(place, () => [
      el(
        "table",
        {},
        el("thead", {}, el("tr", {}, ...["column", "this row", part, "part of the other rows", ...(how.alpha > 0 ? ["penalty α w"] : []), "∂L/∂w: the mean", "w − rate · ∂L/∂w"].map((head) => el("th", { scope: "col" }, head)))),
        el("tbody", {}, ...order.map(line)),
      ),
      every.length > SHOWN && el("p", { class: "note" }, `The weight that the formulas follow comes first, then the largest derivatives. ${every.length - SHOWN} more are not shown.`),
      el("p", {}, update ? `${loss} goes from ${pretty(now, 6)} to ${pretty(then, 6)}${then > now ? ": it rises" : ""}.` : `${loss} is ${pretty(now, 6)} here.`),
      batch && el("p", { class: "note" }, `This is batch ${state.batch + 1} of ${batches.length} of the epoch: each makes a step of its own. Every epoch deals the rows into batches anew.`),
    ]);
  };
  store.watch([...POINT, "row", "stage", "column"], show, place);
}
