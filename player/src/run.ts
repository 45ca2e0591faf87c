// A training run: the points that were embedded, those that the page computes between them, and forks.

import { type Point, type Rows, shuffled, sums, update } from "./math";

/** How a run steps. size: rows in a batch, 0 for all. */
export interface How {
  readonly rate: number;
  readonly alpha: number;
  readonly size: number;
  readonly fitIntercept: boolean;
  readonly seed: number;
}

/** One epoch from a point: one step on all rows, or a step on each batch of a random order. */
export function epochFrom(rows: Rows, at: Point, how: How, epoch: number): Point {
  if (how.size === 0 || how.size >= rows.m) return update(at, sums(rows, at, how.alpha), how.rate, how.fitIntercept);
  const order = shuffled(rows.m, how.seed + epoch);
  for (let first = 0; first < rows.m; first += how.size) {
    const batch = order.subarray(first, first + how.size);
    at = update(at, sums(rows, at, how.alpha, batch), how.rate, how.fitIntercept);
  }
  return at;
}

/** A run with some of its points known: those between are computed from the last known one, and kept. */
export class Path {
  private readonly known: Map<number, Point>;
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

  /** Whether the trainer, not the page, computed the point of an epoch. */
  isKnown(epoch: number): boolean {
    return this.known.has(epoch);
  }

  at(epoch: number): Point {
    let from = epoch;
    while (!this.known.has(from)) from--;
    let point = this.known.get(from)!;
    for (; from < epoch; from++) {
      point = epochFrom(this.rows, point, this.how, from + 1);
      if ((from + 1) % 16 === 0) this.known.set(from + 1, point);
    }
    return point;
  }

  /** Go on from an epoch in another way. */
  fork(epoch: number, how: How, last: number): Path {
    return new Path(this.rows, how, [[epoch, this.at(epoch)]], last);
  }
}
