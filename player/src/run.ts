// A training run: the points that were embedded, those that the page computes between them, and forks.

import { dL_dz, finished, type Point, type Rows, shuffled } from "./math";

/** How a run steps. size: rows in a batch, 0 for all. */
export interface How {
  readonly rate: number;
  readonly alpha: number;
  readonly size: number;
  readonly fitIntercept: boolean;
  readonly seed: number;
}

/** What a run lowers: with a penalty F, which is more than the loss. */
export const lowered = ({ alpha }: How): string => (alpha > 0 ? "F, the loss plus the penalty," : "the loss");

/** The rows of each step of an epoch: all rows (null) in one step, or a step for each batch of a random order. */
export function batches(m: number, how: How, epoch: number): readonly (Uint32Array | null)[] {
  if (how.size === 0 || how.size >= m) return [null];
  const order = shuffled(m, how.seed + epoch);
  return Array.from({ length: Math.ceil(m / how.size) }, (_, k) => order.subarray(k * how.size, (k + 1) * how.size));
}

/** Go on from a point by some steps of an epoch: `sums` and `update` in one pass, by plain sums, since forks take many epochs. */
export function stepped(rows: Rows, at: Point, how: How, steps: readonly (Uint32Array | null)[]): Point {
  const { m, n, x, y, s } = rows;
  const [w, slopes] = [at.w.slice(), new Float64Array(n)];
  let b = at.b;
  for (const batch of steps) {
    let [weight, slope] = [0, 0];
    slopes.fill(0);
    for (let k = 0, count = batch ? batch.length : m; k < count; k++) {
      const i = batch ? batch[k] : k;
      const si = s ? s[i] : 1;
      if (si === 0) continue;
      const row = i * n;
      let z = b;
      for (let j = 0; j < n; j++) z += x[row + j] * w[j];
      const d = si * dL_dz(z, y[i]);
      weight += si;
      slope += d;
      for (let j = 0; j < n; j++) slopes[j] += d * x[row + j];
    }
    if (weight === 0) continue;
    for (let j = 0; j < n; j++) w[j] -= how.rate * (slopes[j] / weight + how.alpha * w[j]);
    if (how.fitIntercept) b -= (how.rate * slope) / weight;
  }
  return { w, b };
}

/** A run with some of its points known: those between are computed from the last known one, and kept. */
export class Path {
  private readonly known: Map<number, Point>;
  private latest: readonly [number, number, Point] | null = null;
  readonly last: number;

  constructor(
    private readonly rows: Rows,
    private readonly how: How,
    embedded: Iterable<readonly [number, Point]>,
    last?: number,
  ) {
    this.known = new Map(embedded);
    this.last = last ?? Math.max(...this.known.keys());
  }

  /** The point at an epoch, or after some batches of the next one. */
  at(epoch: number, steps = 0): Point {
    return finished(this.reach(epoch, steps));
  }

  /** The same; yields after each epoch that it computes. */
  *reach(epoch: number, steps = 0): Generator<void, Point> {
    if (this.latest?.[0] === epoch && this.latest[1] === steps) return this.latest[2];
    const isLatest = (from: number): boolean => this.latest?.[0] === from && this.latest[1] === 0;
    let from = epoch;
    while (!this.known.has(from) && !isLatest(from)) from--;
    let point = this.known.get(from) ?? this.latest![2];
    for (; from < epoch; from++) {
      point = stepped(this.rows, point, this.how, batches(this.rows.m, this.how, from + 1));
      if ((from + 1) % 16 === 0) this.known.set(from + 1, point);
      yield;
    }
    if (steps) point = stepped(this.rows, point, this.how, batches(this.rows.m, this.how, epoch + 1).slice(0, steps));
    this.latest = [epoch, steps, point];
    return point;
  }
}
