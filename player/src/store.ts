// The state of the page, and who looks at it. Views read the state and send changes; nothing else changes it.

import type { Data } from "./data";
import { dL_dg, dL_dz, dg_dz, logOdds, loss, type Point, type Rows, sigmoid, type Sums, sums } from "./math";
import { batches, type How, Path } from "./run";

/** A run of training: the trainer's own, or one that the page goes on with. */
export interface Run {
  readonly name: string;
  readonly how: How;
  /** All rows and the training rows, in the run's units. */
  readonly rows: Rows;
  readonly training: Rows;
  readonly heldOut: Rows | null;
  /** The units: x = (value in the table - center) / scale. */
  readonly center: Float64Array;
  readonly scale: Float64Array;
  readonly path: Path;
  readonly from: number;
  /** Where this run's objective is least, in its units; null if that is not known. */
  readonly optimum: Point | null;
  /** Whether the certified optimum is this run's too. */
  readonly isCertified: boolean;
  /** Where the run goes on from: another run, at the point after some batches or as edited; null for the first run. */
  readonly made: { readonly run: number; readonly batch: number; readonly edited: Point | null; readonly scaling: string } | null;
}

export interface State {
  readonly runs: readonly Run[];
  readonly run: number;
  readonly epoch: number;
  /** Batches of the epoch that are done: the point is after them. */
  readonly batch: number;
  readonly row: number;
  /** How far the row's steps are shown: 0 is x alone; see `STAGES`. */
  readonly stage: number;
  /** The column whose weight the formulas follow, n for b; null if none is chosen. */
  readonly column: number | null;
  readonly isPlaying: boolean;
  readonly edited: Edited;
  readonly curve: Curve;
  /** The columns of the decision map and the weights of the loss surface, across and up; null for the strongest. */
  readonly map: Pair | null;
  readonly surface: Pair | null;
}

/** What may be drawn over the epochs. */
export const CURVES = ["loss", "accuracy", "gradient norm"] as const;
export type Curve = (typeof CURVES)[number];
export type Pair = readonly [number, number];

/** What the reader changed: the values of the row that is shown, or the point. */
export interface Edited {
  readonly x: Float64Array | null;
  readonly at: Point | null;
}

export const NOT_EDITED: Edited = { x: null, at: null };

/** A value of a column as the table has it. */
export function inTable({ center, scale }: Run, j: number, x: number): number {
  const value = x * scale[j] + center[j];
  return Math.abs(value) < 1e-12 * Math.abs(center[j]) ? 0 : Number(value.toPrecision(9));
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
    dL_dg: dL_dg(z, y),
    dg_dz: dg_dz(z),
    dL_dz: dL_dz(z, y),
  };
}

/** The parts of the state that the point, its derivatives and the step from it depend on. */
export const POINT = ["run", "epoch", "batch", "edited"] as const;

/** A view, the parts of the state that it reads, and the state that it shows. */
interface View {
  readonly reads: readonly (keyof State)[];
  /** Shows a state; a generator if that may take long: it yields where the rest may wait for the next frame. */
  readonly look: (state: State, before: State) => Generator<void> | void;
  readonly place: Element | undefined;
  shown: State;
  rest: Generator<void> | null;
  isSeen: boolean;
}

// ms of a frame, after which what is left to show waits for the next; more while a run is trained
const [FRAME, TRAINING] = [2, 30];

export class Store {
  private readonly views: View[] = [];
  private frame = 0;
  private isTraining = false;
  private readonly found = new Map<string, Sums>();
  private readonly ofEdited = new WeakMap<Edited, Sums>(); // an edit lasts as long as its run, epoch and batch
  private readonly tables = new WeakMap<Float64Array, Pick<Run, "rows" | "training">>(); // by a row's edited values
  private dealt: readonly [string, readonly (Uint32Array | null)[]] = ["", [null]];
  /** The place of each row among the training rows, -1 if it is held out. */
  private readonly places: Int32Array;

  constructor(
    readonly data: Data,
    private now: State,
  ) {
    let place = 0;
    this.places = Int32Array.from(data.isHeldOut, (held) => (held ? -1 : place++));
  }

  get state(): State {
    return this.now;
  }

  get run(): Run {
    return this.now.runs[this.now.run];
  }

  /** The point that is shown: the run's at the epoch, or as edited. */
  get point(): Point {
    return this.now.edited.at ?? this.run.path.at(this.now.epoch, this.now.batch);
  }

  /** The batches of the epoch that begins here. */
  get batches(): readonly (Uint32Array | null)[] {
    const key = `${this.now.run} ${this.now.epoch}`;
    if (this.dealt[0] !== key) this.dealt = [key, batches(this.run.training.m, this.run.how, this.now.epoch + 1)];
    return this.dealt[1];
  }

  /** The training rows of the step that comes, null for all. */
  get batch(): Uint32Array | null {
    return this.batches[this.now.batch];
  }

  /** The run's rows, with what was edited in the row that is shown. */
  get table(): Pick<Run, "rows" | "training"> {
    const { row, edited: { x } } = this.now;
    if (!x) return this.run;
    const edit = (rows: Rows, i: number): Rows => {
      const values = rows.x.slice();
      if (i >= 0) values.set(x, i * rows.n);
      return { ...rows, x: values };
    };
    const { rows, training } = this.run;
    const table = this.tables.get(x) ?? { rows: edit(rows, row), training: edit(training, this.places[row]) };
    this.tables.set(x, table);
    return table;
  }

  /** The weight of the row that is shown among those of the step that comes: 0 if it is held out or not in the batch. */
  get weight(): number {
    const { row } = this.now;
    const place = this.places[row];
    if (place < 0 || (this.batch && !this.batch.includes(place))) return 0;
    return this.run.rows.s ? this.run.rows.s[row] : 1;
  }

  /** The row that is shown, at the point, as edited. */
  get row(): Row {
    return rowAt(this.table.rows, this.now.row, this.point);
  }

  /** The sums over the rows of the step that comes, at the point that is shown, as edited. */
  get here(): Sums {
    const { edited, run, epoch, batch } = this.now;
    const over = (): Sums => sums(this.table.training, this.point, this.run.how.alpha, this.batch ?? undefined);
    if (edited.at || edited.x) {
      const sum = this.ofEdited.get(edited) ?? over();
      this.ofEdited.set(edited, sum);
      return sum;
    }
    return this.batch ? this.once(`${run} ${epoch} ${batch}`, over) : this.sums();
  }

  /** The sums over the training rows at an epoch of a run; computed once. */
  sums(epoch = this.now.epoch, run = this.now.run): Sums {
    const { training, path, how } = this.now.runs[run];
    return this.once(`${run} ${epoch}`, () => sums(training, path.at(epoch), how.alpha));
  }

  /** The sums over the held-out rows, if there are any. */
  heldOut(epoch: number, run: number): Sums {
    const { heldOut, path, how } = this.now.runs[run];
    return this.once(`${run} ${epoch} held out`, () => sums(heldOut!, path.at(epoch), how.alpha));
  }

  private once(key: string, make: () => Sums): Sums {
    const sum = this.found.get(key) ?? make();
    this.found.set(key, sum);
    return sum;
  }

  /** Change the state. What was edited is kept only while the row, the epoch and the run stay. */
  change(part: Partial<State>): void {
    const before = this.now;
    const next: { -readonly [K in keyof State]: State[K] } = { ...before, ...part };
    if (part.batch === undefined && (next.epoch !== before.epoch || next.run !== before.run)) next.batch = 0;
    const moved = next.epoch !== before.epoch || next.run !== before.run || next.batch !== before.batch;
    if (!part.edited && moved) next.edited = NOT_EDITED;
    else if (!part.edited && next.row !== before.row) next.edited = { ...before.edited, x: null };
    this.now = next;
    const plays = next.isPlaying || before.isPlaying;
    this.isTraining = !plays && (next.runs !== before.runs || this.views.some((view) => view.rest));
    if (!plays) this.showAll(this.isTraining ? performance.now() + TRAINING : Infinity);
    this.soon();
  }

  private isOld({ reads, shown }: View): boolean {
    return shown !== this.now && reads.some((key) => shown[key] !== this.now[key]);
  }

  /** The views that are to be shown: while the run plays, those out of sight wait. */
  private get due(): View[] {
    return this.views.filter((view) => (view.isSeen || !this.now.isPlaying) && (view.rest || this.isOld(view)));
  }

  /** Whether every view that can be seen shows the present state. */
  get isShown(): boolean {
    return !this.due.length;
  }

  /** Show every view that is behind, at once; of those that take long, what can be shown until a time. */
  showAll(until = Infinity): void {
    for (const view of this.views) this.show(view, until);
  }

  /** While a run plays or is trained, and when it stops, show the views that are behind over several frames, so that none takes long. */
  private soon(): void {
    if (this.isShown) {
      this.isTraining = false;
      return;
    }
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      const until = performance.now() + (this.isTraining ? TRAINING : FRAME);
      for (const view of this.due) {
        if (performance.now() > until) break;
        this.show(view, until);
      }
      this.soon();
    });
  }

  /** Begin a view anew if its state is old, and go on with it until a time. */
  private show(view: View, until = Infinity): void {
    if (this.isOld(view)) {
      const before = view.shown;
      view.shown = this.now;
      view.rest = view.look(this.now, before) ?? null;
    }
    while (view.rest && performance.now() <= until) if (view.rest.next().done) view.rest = null;
    view.place?.setAttribute("aria-busy", String(view.rest !== null));
  }

  /** Call a view now, and whenever a part of the state that it reads has changed, with the state that it showed before. Returns what begins it anew, to its end. */
  watch(reads: View["reads"], look: View["look"], place?: Element): () => void {
    const view: View = { reads, look, place, shown: this.now, rest: look(this.now, this.now) ?? null, isSeen: !place };
    this.views.push(view);
    this.show(view, performance.now() + TRAINING); // the rest after the page is there
    this.isTraining ||= view.rest !== null;
    this.soon();
    if (place) new IntersectionObserver((seen) => ((view.isSeen = seen.at(-1)!.isIntersecting), this.soon())).observe(place);
    return () => {
      [view.shown, view.rest] = [this.now, look(this.now, this.now) ?? null];
      this.show(view);
    };
  }
}

export function start(data: Data): Store {
  const { rate, alpha, fitIntercept, rows, training, heldOut, center, scale } = data;
  const how: How = { rate, alpha, size: 0, fitIntercept, seed: 0 };
  const path = new Path(training, how, data.points, data.last);
  const name = data.trainer ? "the trainer's run" : "the page's run";
  const run: Run = { name, how, rows, training, heldOut, center, scale, path, from: 0, optimum: data.optimum && data.optimum.at, isCertified: data.optimum !== null, made: null };
  return new Store(data, { runs: [run], run: 0, epoch: 0, batch: 0, row: 0, stage: 0, column: null, isPlaying: false, edited: NOT_EDITED, curve: "loss", map: null, surface: null });
}
