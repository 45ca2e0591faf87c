// The badge: how far the page's own loss and gradient are from the trainer's, over u times the sum of the absolute terms.

import { el, pretty, put } from "../dom";
import { type Data } from "../data";
import { sums } from "../math";
import type { Store } from "../store";

export const RED = 64;

/** The largest difference between the page's loss at the embedded points and the trainer's, in units of its bound. */
export function largestDifference(data: Data, losses: Float64Array): number {
  let largest = 0;
  data.points.forEach(([, point], k) => {
    const found = sums(data.training, point);
    largest = Math.max(largest, Math.abs(found.loss - losses[k]) / found.bounds.loss);
  });
  return largest;
}

export function badge(store: Store, losses: Float64Array, place: Element): void {
  const units = largestDifference(store.data, losses);
  const isFine = units <= RED;
  put(
    place,
    el("strong", { class: isFine ? "fine" : "wrong" }, isFine ? "checked" : "not the trainer's"),
    ` ${store.data.points.length} epochs computed again in this page: largest difference ${pretty(units, 2)} units (red above ${RED})`,
  );
}
