// The state of the page, and who looks at it. Views read the state and send changes; nothing else changes it.

import type { Data } from "./data";
import { dL_dg, dL_dz, dg_dz, logOdds, loss, type Point, type Rows, sigmoid, type Sums, sums } from "./math";
import { type How, Path } from "./run";

/** A run of training: the trainer's own, or one that the page goes on with. */
export interface Run {
  readonly name: string;
  readonly how: How;
  /** All rows and the training rows, in the run's units. */
  readonly rows: Rows;
  readonly training: Rows;
  readonly heldOut: Rows | null;
  readonly path: Path;
  readonly from: number;
  /** Whether the certified optimum is this run's too. */
  readonly isCertified: boolean;
}

export interface State {
  readonly runs: readonly Run[];
  readonly run: number;
  readonly epoch: number;
  readonly row: number;
  /** How far the row's steps are shown: 0 is x alone; see `STAGES`. */
  readonly stage: number;
  readonly isPlaying: boolean;
}

/** The steps of one row, forward and backward, then the mean over the rows and the update. */
export const STAGES = ["x", "z", "g", "L", "dL_dg", "dg_dz", "dz_dw", "mean", "update"] as const;
export type Stage = (typeof STAGES)[number];

export const reached = (state: State, stage: Stage): boolean => state.stage >= STAGES.indexOf(stage);

/** One row at a point: every value and derivative. */
export interface Row {
  readonly x: Float64Array;
  readonly y: number;
  readonly z: number;
  readonly g: number;
  readonly loss: number;
  readonly dL_dg: number;
  readonly dg_dz: number;
  readonly dL_dz: number;
}

export function rowAt(rows: Rows, i: number, at: Point): Row {
  const [z, y] = [logOdds(rows, i, at), rows.y[i]];
  const g = sigmoid(z);
  return {
    x: rows.x.subarray(i * rows.n, (i + 1) * rows.n),
    y,
    z,
    g,
    loss: loss(z, y),
    dL_dg: dL_dg(g, y),
    dg_dz: dg_dz(z),
    dL_dz: dL_dz(z, y),
  };
}

export class Store {
  private readonly seen = new Set<(state: State, before: State) => void>();
  private readonly found = new Map<string, Sums>();

  constructor(
    readonly data: Data,
    private now: State,
  ) {}

  get state(): State {
    return this.now;
  }

  get run(): Run {
    return this.now.runs[this.now.run];
  }

  get point(): Point {
    return this.run.path.at(this.now.epoch);
  }

  /** The row that is shown, at the present point. */
  get row(): Row {
    return rowAt(this.run.rows, this.now.row, this.point);
  }

  /** The sums over the training rows at an epoch of a run; computed once. */
  sums(epoch = this.now.epoch, run = this.now.run): Sums {
    const key = `${run} ${epoch}`;
    let sum = this.found.get(key);
    if (!sum) {
      sum = sums(this.now.runs[run].training, this.now.runs[run].path.at(epoch), this.now.runs[run].how.alpha);
      this.found.set(key, sum);
    }
    return sum;
  }

  change(part: Partial<State>): void {
    const before = this.now;
    this.now = { ...before, ...part };
    for (const look of this.seen) look(this.now, before);
  }

  watch(look: (state: State, before: State) => void): void {
    this.seen.add(look);
    look(this.now, this.now);
  }
}

export function start(data: Data): Store {
  const { rate, alpha, fit_intercept, title } = data.given;
  const how: How = { rate, alpha, size: 0, fitIntercept: fit_intercept, seed: 0 };
  const { rows, training, heldOut } = data;
  const path = new Path(training, how, data.points);
  const run: Run = { name: title, how, rows, training, heldOut, path, from: 0, isCertified: data.optimum !== null };
  return new Store(data, { runs: [run], run: 0, epoch: 0, row: 0, stage: STAGES.length - 1, isPlaying: false });
}
