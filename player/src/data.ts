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
  readonly trace: { readonly epoch: string; readonly w: string; readonly b: string; readonly loss: string };
  readonly sampled_from: number | null;
}

export interface Data {
  readonly given: Given;
  readonly rows: Rows;
  readonly training: Rows;
  readonly heldOut: Rows | null;
  readonly rowNumbers: Uint32Array;
  readonly isHeldOut: Uint8Array;
  readonly center: Float64Array;
  readonly scale: Float64Array;
  readonly points: readonly (readonly [number, Point])[];
  readonly optimum: Point | null;
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

export function read(given: Given): Data {
  const n = given.names.length;
  const rows: Rows = {
    m: given.m,
    n,
    x: doubles(given.x),
    y: new Uint8Array(bytes(given.y)),
    s: given.s === null ? null : doubles(given.s),
  };
  const isHeldOut = new Uint8Array(bytes(given.held_out));
  const places = [...Array(given.m).keys()];
  const [inside, outside] = [places.filter((i) => !isHeldOut[i]), places.filter((i) => isHeldOut[i])];
  const [epochs, w, b] = [new Uint32Array(bytes(given.trace.epoch)), doubles(given.trace.w), doubles(given.trace.b)];
  return {
    given,
    rows,
    training: outside.length ? taken(rows, inside) : rows,
    heldOut: outside.length ? taken(rows, outside) : null,
    rowNumbers: new Uint32Array(bytes(given.row_numbers)),
    isHeldOut,
    center: doubles(given.center),
    scale: doubles(given.scale),
    points: [...epochs].map((epoch, k) => [epoch, { w: w.slice(k * n, (k + 1) * n), b: b[k] }] as const),
    optimum: given.optimum && { w: doubles(given.optimum.w), b: given.optimum.b },
  };
}
