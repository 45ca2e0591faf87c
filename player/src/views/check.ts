// What the page checks: its own numbers against the trainer's, the gradient by differences, and the article's loss against the
// stable one.

import { type Data } from "../data";
import { el, pretty, put } from "../dom";
import { articleLoss, differences, dL_dg, dg_dz, logOddsOf, sigmoid, sums, UNIT, update } from "../math";
import type { Store } from "../store";

export const RED = 64;

/** The largest differences between the page's numbers and the trainer's at the embedded points, each over its bound: of the loss,
 * and of the next point, which shows dL_dw. */
export function largestDifferences(data: Data): readonly [number, number] {
  let [loss, step] = [0, 0];
  data.points.forEach(([epoch, at], k) => {
    const found = sums(data.training, at, data.alpha);
    loss = Math.max(loss, Math.abs(found.loss - data.losses![k]) / found.bounds.loss);
    const [next, there] = data.points[k + 1] ?? [NaN, at];
    if (next !== epoch + 1) return;
    const mine = update(at, found, data.rate, data.fitIntercept);
    const apart = (a: number, b: number, bound: number): number => (a === b ? 0 : Math.abs(a - b) / (data.rate * bound + UNIT * Math.abs(b)));
    mine.w.forEach((w, j) => (step = Math.max(step, apart(w, there.w[j], found.bounds.dL_dw[j]))));
    step = Math.max(step, apart(mine.b, there.b, found.bounds.dL_db));
  });
  return [loss, step];
}

export function badge(store: Store, place: Element): void {
  const { data } = store;
  if (!data.losses) return put(place, "The page trained this run itself: not certified.");
  const [loss, step] = largestDifferences(data);
  const isFine = loss <= RED && step <= RED;
  const words = `This page has computed ${data.points.length} epochs of Chainrule's own run again: the losses agree to within ${pretty(loss, 2)} rounding errors, and the steps by dL_dw to within ${pretty(step, 2)}. Above ${RED} this turns red.`;
  put(place, el("strong", { class: isFine ? "fine" : "wrong" }, isFine ? "checked" : "not the trainer's"), words);
}

export function floor(store: Store, place: Element): void {
  const { optimum } = store.data;
  store.watch((state, before) => {
    if (state !== before && state.run === before.run && state.edited === before.edited) return;
    const isCertified = optimum && store.run.isCertified && !state.edited.at && !state.edited.x;
    if (!optimum) put(place, "The floor of the loss: not certified.");
    else if (isCertified) put(place, `The floor of the loss is the certified optimum, F* = ${pretty(optimum.objective, 6)}: proven to within ${pretty(optimum.gap, 2)} nats.`);
    else put(place, "The floor of the loss: not certified for what the page trains or what you edited.");
  });
}

export function view(store: Store, place: Element): void {
  const button = el("button", { type: "button" }, "check the gradient here");
  const [said, naive] = [el("p", { role: "status" }), el("p")];
  button.addEventListener("click", () => {
    const { training, how } = store.run;
    const here = sums(training, store.point, how.alpha);
    const exact = [...here.dL_dw, here.dL_db];
    const found = differences(training, store.point, how.alpha);
    const size = Math.max(...exact.map(Math.abs), 1e-300);
    const error = Math.max(...exact.map((d, j) => Math.abs(d - found[j]))) / size;
    put(said, `Central differences of F agree with dL_dw and dL_db over all ${training.m} rows: the largest difference is ${pretty(error, 2)} of the largest derivative.`);
  });
  put(place, el("div", { class: "bar" }, button), said, naive, el("p", { class: "note" }, "A rounding error of a sum, as counted at the top, is u = 2⁻⁵³ times the sum of its absolute terms."));
  store.watch((state, before) => {
    if (state !== before && state.epoch === before.epoch && state.run === before.run && state.edited === before.edited) return;
    const { rows } = store.run;
    const z = logOddsOf(rows, store.point);
    const met = [...z.keys()].filter((i) => {
      const g = sigmoid(z[i]);
      return !Number.isFinite(articleLoss(g, rows.y[i])) || !Number.isFinite(dL_dg(g, rows.y[i]) * dg_dz(z[i]));
    });
    const largest = Math.max(...z.map(Math.abs));
    const numbers = met.slice(0, 8).map((i) => store.data.rowNumbers[i]);
    put(
      naive,
      met.length
        ? `The loss as -(y log g + (1 - y) log(1 - g)) meets log(0) in ${met.length} rows here: row ${numbers.join(", ")}${met.length > 8 ? ", …" : ""}. The page takes log(1 + e^±z), which is finite in every row.`
        : `The article's form of the loss works in every row here, since |z| is at most ${pretty(largest)}. From 37 on g rounds to 1, and log(1 - g) is infinite for a row of the other class.`,
    );
  });
}
