// What the page was given: the rows, the points of a real training run, and the certified optimum. Read once, never changed.

import type { Point, Rows } from "./math";

/** The page's own data as Python wrote them (`documents/player.py`); long arrays are base64 of little-endian numbers. */
export interface Given {
  readonly schema_version: number;
  readonly title: string;
  readonly target: string;
  readonly classes: readonly [string, string];
  readonly names: readonly string[];
  readonly m: number;
  readonly x: string;
  readonly y: string;
  readonly s: string | null;
  readonly held_out: string;
  readonly row_numbers: string;
  readonly center: string;
  readonly scale: string;
  readonly alpha: number;
  readonly fit_intercept: boolean;
  readonly rate: number;
  readonly rate_limit: number;
  readonly optimum: { readonly w: string; readonly b: number; readonly objective: number; readonly gap: number } | null;
  readonly trace: { readonly epoch: string; readonly w: string; readonly b: string; readonly loss: string; readonly dL: string };
  readonly sampled_from: number | null;
}

/** The certified optimum of the run: its point in the run's units, F there, and the proven gap. */
export interface Optimum {
  readonly at: Point;
  readonly objective: number;
  readonly gap: number;
}

export interface Data {
  readonly title: string;
  readonly target: string;
  readonly classes: readonly [string, string];
  readonly names: readonly string[];
  readonly rows: Rows;
  readonly training: Rows;
  readonly heldOut: Rows | null;
  readonly rowNumbers: Uint32Array;
  readonly isHeldOut: Uint8Array;
  /** The units of the rows: x = (user's x - center) / scale. */
  readonly center: Float64Array;
  readonly scale: Float64Array;
  readonly alpha: number;
  readonly fitIntercept: boolean;
  readonly rate: number;
  readonly points: readonly (readonly [number, Point])[];
  /** The trainer's loss, and dL_dw with dL_db (n + 1,), at each of the points; null if the page trains by itself. */
  readonly trainer: { readonly losses: Float64Array; readonly gradients: readonly Float64Array[] } | null;
  readonly last: number;
  readonly optimum: Optimum | null;
  readonly sampledFrom: number | null;
}

function bytes(text: string): ArrayBuffer {
  const packed = atob(text);
  const out = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i++) out[i] = packed.charCodeAt(i);
  return out.buffer;
}

const doubles = (text: string): Float64Array => new Float64Array(bytes(text));

/** Some of the rows, as rows of their own. */
export function taken(rows: Rows, places: readonly number[]): Rows {
  const { n } = rows;
  const x = new Float64Array(places.length * n);
  places.forEach((i, k) => x.set(rows.x.subarray(i * n, (i + 1) * n), k * n));
  return { m: places.length, n, x, y: Uint8Array.from(places, (i) => rows.y[i]), s: rows.s && Float64Array.from(places, (i) => rows.s![i]) };
}

/** Split rows into those trained on and those held out. */
export function split(rows: Rows, isHeldOut: Uint8Array): Pick<Data, "rows" | "training" | "heldOut" | "isHeldOut"> {
  const places = [...Array(rows.m).keys()];
  const outside = places.filter((i) => isHeldOut[i]);
  if (!outside.length) return { rows, training: rows, heldOut: null, isHeldOut };
  return { rows, training: taken(rows, places.filter((i) => !isHeldOut[i])), heldOut: taken(rows, outside), isHeldOut };
}

export function read(given: Given): Data {
  const n = given.names.length;
  const rows: Rows = {
    m: given.m,
    n,
    x: doubles(given.x),
    y: new Uint8Array(bytes(given.y)),
    s: given.s === null ? null : doubles(given.s),
  };
  const [epochs, w, b] = [new Uint32Array(bytes(given.trace.epoch)), doubles(given.trace.w), doubles(given.trace.b)];
  const [dL, found] = [doubles(given.trace.dL), given.optimum];
  return {
    ...split(rows, new Uint8Array(bytes(given.held_out))),
    title: given.title,
    target: given.target,
    classes: given.classes,
    names: given.names,
    rowNumbers: new Uint32Array(bytes(given.row_numbers)),
    center: doubles(given.center),
    scale: doubles(given.scale),
    alpha: given.alpha,
    fitIntercept: given.fit_intercept,
    rate: given.rate,
    points: [...epochs].map((epoch, k) => [epoch, { w: w.slice(k * n, (k + 1) * n), b: b[k] }] as const),
    trainer: { losses: doubles(given.trace.loss), gradients: [...epochs].map((_, k) => dL.subarray(k * (n + 1), (k + 1) * (n + 1))) },
    last: epochs[epochs.length - 1],
    optimum: found && { at: { w: doubles(found.w), b: found.b }, objective: found.objective, gap: found.gap },
    sampledFrom: given.sampled_from,
  };
}
