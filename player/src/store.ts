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
  /** Where this run's objective is least, in its units; null if that is not known. */
  readonly optimum: Point | null;
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
  edited: Edited;
}

/** What the reader changed: the values of the row that is shown, or the point. */
export interface Edited {
  readonly x: Float64Array | null;
  readonly at: Point | null;
}

export const NOT_EDITED: Edited = { x: null, at: null };

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

/** A view, and the state that it shows. */
interface View {
  readonly look: (state: State, before: State) => void;
  shown: State;
}

const FRAME = 2; // ms of a frame after which the other views wait for the next; the slowest view takes 4 ms at 500 x 30

export class Store {
  private readonly views: View[] = [];
  private frame = 0;
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

  /** The point that is shown: the run's at the epoch, or as edited. */
  get point(): Point {
    return this.now.edited.at ?? this.run.path.at(this.now.epoch);
  }

  /** The row that is shown, at the point, as edited. */
  get row(): Row {
    const { x } = this.now.edited;
    const { rows } = this.run;
    if (!x) return rowAt(rows, this.now.row, this.point);
    return rowAt({ ...rows, m: 1, x, y: rows.y.subarray(this.now.row, this.now.row + 1), s: null }, 0, this.point);
  }

  /** The sums over the training rows at the point that is shown. */
  get here(): Sums {
    const { at } = this.now.edited;
    return at ? sums(this.run.training, at, this.run.how.alpha) : this.sums();
  }

  /** The sums over the training rows at an epoch of a run; computed once. */
  sums(epoch = this.now.epoch, run = this.now.run): Sums {
    const key = `${run} ${epoch}`;
    let sum = this.found.get(key);
    if (!sum) {
      const { training, path, how } = this.now.runs[run];
      sum = sums(training, path.at(epoch), how.alpha);
      this.found.set(key, sum);
    }
    return sum;
  }

  /** Change the state. What was edited is kept only while the row, the epoch and the run stay. */
  change(part: Partial<State>): void {
    const before = this.now;
    const next = { ...before, ...part };
    const moved = next.epoch !== before.epoch || next.run !== before.run;
    if (!part.edited && moved) next.edited = NOT_EDITED;
    else if (!part.edited && next.row !== before.row) next.edited = { ...before.edited, x: null };
    this.now = next;
    if (next.isPlaying) this.frame ||= requestAnimationFrame(() => this.someViews());
    else for (const view of this.views) this.show(view);
  }

  /** Whether every view shows the present state. */
  get isShown(): boolean {
    return this.views.every((view) => view.shown === this.now);
  }

  /** While the run plays, show the views that are behind over several frames, so that none takes long. */
  private someViews(): void {
    this.frame = 0;
    const started = performance.now();
    for (const view of this.views) {
      if (performance.now() - started > FRAME) break;
      if (view.shown !== this.now) this.show(view);
    }
    if (!this.isShown) this.frame ||= requestAnimationFrame(() => this.someViews());
  }

  private show(view: View): void {
    const before = view.shown;
    view.shown = this.now;
    view.look(this.now, before);
  }

  /** Call a view now, and again with each state and the one that it showed before. */
  watch(look: View["look"]): void {
    this.views.push({ look, shown: this.now });
    look(this.now, this.now);
  }
}

export function start(data: Data): Store {
  const { rate, alpha, fitIntercept, rows, training, heldOut } = data;
  const how: How = { rate, alpha, size: 0, fitIntercept, seed: 0 };
  const path = new Path(training, how, data.points, data.last);
  const name = data.losses ? "the trainer's run" : "the page's run";
  const run: Run = { name, how, rows, training, heldOut, path, from: 0, optimum: data.optimum && data.optimum.at, isCertified: data.optimum !== null };
  return new Store(data, { runs: [run], run: 0, epoch: 0, row: 0, stage: STAGES.length - 1, isPlaying: false, edited: NOT_EDITED });
}
