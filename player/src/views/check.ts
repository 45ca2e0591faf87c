// What the page checks: its own numbers against the trainer's, the gradient by differences, and the article's loss against the
// stable one.

import { type Data } from "../data";
import { el, pretty, put } from "../dom";
import { articleLoss, differences, dL_dg, dg_dz, logOddsOf, sigmoid, sums } from "../math";
import type { Store } from "../store";

export const RED = 64;

/** The largest difference between the page's loss at the embedded points and the trainer's, in units of its bound. */
export function largestDifference(data: Data): number {
  let largest = 0;
  data.points.forEach(([, point], k) => {
    const found = sums(data.training, point);
    largest = Math.max(largest, Math.abs(found.loss - data.losses![k]) / found.bounds.loss);
  });
  return largest;
}

export function badge(store: Store, place: Element): void {
  const { data } = store;
  if (!data.losses) return put(place, "The page trained this run itself: not certified.");
  const units = largestDifference(data);
  const isFine = units <= RED;
  const words = `${data.points.length} epochs of the trainer computed again in this page: the largest difference is ${pretty(units, 2)} units (u times the sum of the absolute terms; red above ${RED}).`;
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
  put(place, el("div", { class: "bar" }, button), said, naive);
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
