// The state as a fragment of a link: the epoch, the row, the step, the weight that is followed, what was edited, and each run that the page made.

import { type Point, type Rows } from "./math";
import { CURVES, type Edited, NOT_EDITED, type Pair, type State, STAGES, type Store } from "./store";
import { forked, SCALINGS, type Scaling } from "./views/fork";

/** The values that differ, as place:value. */
function changes(before: ArrayLike<number>, after: ArrayLike<number>): string {
  return Array.from(after, (value, j) => (value === before[j] ? "" : `${j}:${value}`)).filter(Boolean).join(",");
}

const listed = ({ w, b }: Point): number[] => [...w, b];
const rowOf = (rows: Rows, i: number): Float64Array => rows.x.subarray(i * rows.n, (i + 1) * rows.n);

export function fragment(state: State): string {
  const run = state.runs[state.run];
  const parts = [`epoch=${state.epoch}`, `row=${state.row}`, `step=${state.stage}`];
  if (state.column !== null) parts.push(`weight=${state.column}`);
  if (state.batch) parts.push(`batch=${state.batch}`);
  if (state.runs.length > 1) parts.push(`run=${state.run}`);
  if (state.curve !== CURVES[0]) parts.push(`curve=${state.curve}`);
  if (state.map) parts.push(`map=${state.map}`);
  if (state.surface) parts.push(`surface=${state.surface}`);
  if (state.edited.x) parts.push(`x=${changes(rowOf(run.rows, state.row), state.edited.x)}`);
  if (state.edited.at) parts.push(`w=${changes(listed(run.path.at(state.epoch, state.batch)), listed(state.edited.at))}`);
  for (const { made, from, how } of state.runs) {
    if (!made) continue;
    const edits = made.edited ? changes(listed(state.runs[made.run].path.at(from, made.batch)), listed(made.edited)) : "";
    parts.push(`fork=${[made.run, from, made.batch, how.rate, how.size, how.alpha, made.scaling, edits].join(";")}`);
  }
  return `#${parts.join("&").replaceAll("+", "%2B").replaceAll(" ", "+")}`;
}

/** A whole number from 0 to the most, or undefined. */
function whole(text: string | null | undefined, most: number): number | undefined {
  const value = text ? Number(text) : NaN;
  return Number.isInteger(value) && value >= 0 && value <= most ? value : undefined;
}

/** Two places from 0 to the most, or null. */
function pair(text: string | null, most: number): Pair | null {
  const [a, b] = (text ?? "").split(",").map((place) => whole(place, most));
  return a === undefined || b === undefined ? null : [a, b];
}

/** Values with changes made, or null if there are none. */
function changed(values: ArrayLike<number>, text: string | null | undefined): Float64Array | null {
  const found = Float64Array.from(values);
  const pairs = (text ?? "").split(",").map((pair) => pair.split(":"));
  let isAny = false;
  for (const [place, value] of pairs) {
    const j = whole(place, found.length - 1);
    if (j === undefined || !value || !Number.isFinite(Number(value))) continue;
    found[j] = Number(value);
    isAny = true;
  }
  return isAny ? found : null;
}

function edited(store: Store, given: { x?: string | null; w?: string | null }): Edited {
  const { run, state } = store;
  const { w, b } = run.path.at(state.epoch, state.batch);
  const at = changed([...w, b], given.w);
  return { x: changed(rowOf(run.rows, state.row), given.x), at: at && { w: at.slice(0, -1), b: at[at.length - 1] } };
}

/** Go to an epoch and batch of a run, as far as they exist. */
function goTo(store: Store, run: number, epoch: string | null | undefined, batch: string | null | undefined): boolean {
  if (!store.state.runs[run]) return false;
  const { path, from } = store.state.runs[run];
  const found = whole(epoch, path.last);
  if (found === undefined || found < from) return false;
  store.change({ run, epoch: found, batch: 0, edited: NOT_EDITED });
  store.change({ batch: whole(batch, store.batches.length - 1) ?? 0 });
  return true;
}

/** Bring a store to the state of a link; only what exists and is within bounds is taken. */
export function restore(store: Store, hash: string): void {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  for (const fork of given.getAll("fork")) {
    const [run, from, batch, rate, size, alpha, scaling, w] = fork.split(";");
    const known = Object.values(SCALINGS).includes(scaling as Scaling);
    const how = { rate: Number(rate), size: whole(size, store.run.training.m), alpha: Number(alpha) };
    if (!known || !(how.rate > 0 && how.rate <= 1e6) || how.size === undefined || !(how.alpha >= 0 && how.alpha <= 1e6)) return;
    if (!goTo(store, whole(run, store.state.runs.length - 1) ?? -1, from, batch)) return;
    store.change({ edited: edited(store, { w }) });
    const made = forked(store, { ...how, size: how.size }, scaling as Scaling);
    store.change({ runs: [...store.state.runs, made], run: store.state.runs.length });
  }
  goTo(store, whole(given.get("run"), store.state.runs.length - 1) ?? 0, given.get("epoch"), given.get("batch"));
  const [row, stage] = [whole(given.get("row"), store.run.rows.m - 1), whole(given.get("step"), STAGES.length - 1)];
  const { n } = store.run.rows;
  const most = n - (store.run.how.fitIntercept ? 0 : 1); // n is b
  const column = whole(given.get("weight"), most) ?? null;
  store.change({ row: row ?? store.state.row, stage: stage ?? store.state.stage, column, map: pair(given.get("map"), n - 1), surface: pair(given.get("surface"), most), curve: CURVES.find((curve) => curve === given.get("curve")) ?? CURVES[0] });
  store.change({ edited: edited(store, { x: given.get("x"), w: given.get("w") }) });
}
