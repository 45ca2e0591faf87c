// The mathematics of the page: the loss, its derivatives, and sums over rows. No view and no state.
//
//   z = w.x + b      g = sigmoid(z)      l = -(y log g + (1 - y) log(1 - g))      L = (1/S) sum s l      F = L + (alpha/2) w.w

export const UNIT = 2 ** -53;

/** Rows of a table: x is (m, n) row by row, in the units of the fit; y is 0 or 1; s are weights, or null. */
export interface Rows {
  readonly m: number;
  readonly n: number;
  readonly x: Float64Array;
  readonly y: Uint8Array;
  readonly s: Float64Array | null;
}

export interface Point {
  readonly w: Float64Array;
  readonly b: number;
}

/** What one pass over some rows gives. The bounds are u times the sum of the absolute terms of each sum. */
export interface Sums {
  readonly weight: number;
  readonly loss: number;
  readonly objective: number;
  readonly accuracy: number;
  readonly dL_dw: Float64Array;
  readonly dL_db: number;
  readonly bounds: { readonly loss: number; readonly dL_dw: Float64Array; readonly dL_db: number };
}

/** The derivatives of all weights, and of b if it is one. */
export const slopes = ({ dL_dw, dL_db }: Sums, fitIntercept: boolean): number[] => (fitIntercept ? [...dL_dw, dL_db] : [...dL_dw]);

export function sigmoid(z: number): number {
  if (z >= 0) return 1 / (1 + Math.exp(-z));
  const e = Math.exp(z);
  return e / (1 + e);
}

/** log(1 + e^z) without overflow. */
export function softplus(z: number): number {
  return Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
}

/** The loss of a row from z, finite for every z. */
export function loss(z: number, y: number): number {
  return softplus(y ? -z : z);
}

/** The loss as the article writes it, from g: infinite where g has rounded to the wrong class. */
export function articleLoss(g: number, y: number): number {
  return -(y ? Math.log(g) : Math.log(1 - g));
}

/** dL_dz = g - y, with all its digits. */
export function dL_dz(z: number, y: number): number {
  return y ? -sigmoid(-z) : sigmoid(z);
}

/** dL_dg = (1 - y)/(1 - g) - y/g, with all its digits. */
export function dL_dg(z: number, y: number): number {
  return y ? -1 / sigmoid(z) : 1 / sigmoid(-z);
}

/** dg_dz = g (1 - g), with all its digits. */
export function dg_dz(z: number): number {
  return sigmoid(z) * sigmoid(-z);
}

/** Adds numbers with the error of one rounding (Neumaier 1974). */
export class Sum {
  private total = 0;
  private lost = 0;
  /** The sum of the absolute terms. */
  size = 0;

  add(x: number): void {
    const next = this.total + x;
    this.lost += Math.abs(this.total) >= Math.abs(x) ? this.total - next + x : x - next + this.total;
    this.total = next;
    this.size += Math.abs(x);
  }

  get value(): number {
    const sum = this.total + this.lost;
    return Number.isNaN(sum) ? this.total : sum;
  }
}

/** x.w + b of a row. */
export function logOdds(rows: Rows, i: number, at: Point): number {
  const sum = new Sum();
  for (let j = 0; j < rows.n; j++) sum.add(rows.x[i * rows.n + j] * at.w[j]);
  sum.add(at.b);
  return sum.value;
}

export function logOddsOf(rows: Rows, at: Point): Float64Array {
  return Float64Array.from({ length: rows.m }, (_, i) => logOdds(rows, i, at));
}

/** The loss, its gradient and accuracy over some rows, all by default; alpha is the penalty's strength. */
export function sums(rows: Rows, at: Point, alpha = 0, which?: ArrayLike<number>): Sums {
  const { n, x, y, s } = rows;
  const [total, weight, slope] = [new Sum(), new Sum(), new Sum()];
  const slopes = Array.from({ length: n }, () => new Sum());
  let right = 0;
  const count = which ? which.length : rows.m;
  for (let k = 0; k < count; k++) {
    const i = which ? which[k] : k;
    const si = s ? s[i] : 1;
    if (si === 0) continue;
    const z = logOdds(rows, i, at);
    const d = si * dL_dz(z, y[i]);
    weight.add(si);
    total.add(si * loss(z, y[i]));
    slope.add(d);
    for (let j = 0; j < n; j++) slopes[j].add(d * x[i * n + j]);
    right += z > 0 === (y[i] === 1) ? si : 0;
  }
  const S = weight.value;
  const ww = new Sum();
  for (const w of at.w) ww.add(w * w);
  const mean = total.value / S;
  return {
    weight: S,
    loss: mean,
    objective: mean + 0.5 * alpha * ww.value,
    accuracy: right / S,
    dL_dw: Float64Array.from(slopes, (sum, j) => sum.value / S + alpha * at.w[j]),
    dL_db: slope.value / S,
    bounds: {
      loss: (UNIT * total.size) / S,
      dL_dw: Float64Array.from(slopes, (sum, j) => UNIT * (sum.size / S + Math.abs(alpha * at.w[j]))),
      dL_db: (UNIT * slope.size) / S,
    },
  };
}

/** The mean loss of some rows with log-odds `z`, by plain sums and with one logarithm for many rows, which takes half the time. */
export function meanLoss({ m, y, s }: Rows, z: (i: number) => number): number {
  let [sum, product, S] = [0, 1, s ? 0 : m];
  for (let i = 0; i < m; i++) {
    const zi = z(i);
    if (s) [sum, S] = [sum + s[i] * loss(zi, y[i]), S + s[i]];
    else {
      sum += Math.max(y[i] ? -zi : zi, 0);
      product *= 1 + Math.exp(-Math.abs(zi));
      if (product > 1e300) [sum, product] = [sum + Math.log(product), 1];
    }
  }
  return (sum + Math.log(product)) / S;
}

/** F at a point, by plain sums: for all epochs of a run. */
export function objective(rows: Rows, { w, b }: Point, alpha: number): number {
  const { n, x } = rows;
  const z = (i: number): number => {
    let sum = b;
    for (let j = 0, row = i * n; j < n; j++) sum += x[row + j] * w[j];
    return sum;
  };
  return meanLoss(rows, z) + 0.5 * alpha * w.reduce((sum, wj) => sum + wj * wj, 0);
}

/** w - rate dL_dw and b - rate dL_db. */
export function update(at: Point, of: Sums, rate: number, fitIntercept = true): Point {
  return {
    w: at.w.map((w, j) => w - rate * of.dL_dw[j]),
    b: fitIntercept ? at.b - rate * of.dL_db : at.b,
  };
}

/** Run a generator, which yields where it may wait, to its end. */
export function finished<T>(work: Generator<void, T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

/** Add c r r' to the lower triangle of H. */
function addOuter(H: Float64Array, row: Float64Array, c: number): void {
  const size = row.length;
  for (let j = 0; j < size; j++) {
    const cj = c * row[j];
    if (cj !== 0) for (let k = 0; k <= j; k++) H[j * size + k] += cj * row[k]; // levels are 0 in most rows
  }
}

function times(H: Float64Array, v: Float64Array): Float64Array {
  const [size, found] = [v.length, new Float64Array(v.length)];
  for (let j = 0; j < size; j++) for (let k = 0; k < size; k++) found[j] += H[j * size + k] * v[k];
  return found;
}

/** The curvature of each row's loss at a point, g (1 - g); 1/4 of each without one, its bound. */
export function curvatures(rows: Rows, at?: Point): Float64Array {
  return Float64Array.from({ length: rows.m }, (_, i) => (at ? dg_dz(logOdds(rows, i, at)) : 0.25));
}

/** The largest eigenvalue of (1/S) sum s h (x, 1)(x, 1)' + alpha I, by the power method; the penalty leaves b out. */
export function* largestEigenvalue(rows: Rows, h: Float64Array, alpha = 0, fitIntercept = true): Generator<void, number> {
  const { m, n, x, s } = rows;
  let S = 0;
  for (let i = 0; i < m; i++) S += s ? s[i] : 1;
  const size = n + (fitIntercept ? 1 : 0);
  const H = new Float64Array(size * size); // of size^2 numbers, where a pass over the rows has m n of them
  const row = new Float64Array(size).fill(1);
  for (let i = 0; i < m; i++) {
    row.set(x.subarray(i * n, (i + 1) * n));
    addOuter(H, row, ((s ? s[i] : 1) * h[i]) / S);
    if (i % 16 === 0) yield;
  }
  for (let j = 0; j < size; j++) {
    if (j < n) H[j * size + j] += alpha;
    for (let k = 0; k < j; k++) H[k * size + j] = H[j * size + k];
  }
  let v: Float64Array = Float64Array.from({ length: size }, (_, j) => 1 + 0.01 * ((j * 7) % 11));
  let value = 0;
  for (let k = 0; k < 500; k++) {
    const length = Math.sqrt(v.reduce((sum, a) => sum + a * a, 0));
    if (length === 0) return 0;
    v = v.map((a) => a / length);
    const next = times(H, v);
    const found = v.reduce((sum, a, j) => sum + a * next[j], 0);
    const done = Math.abs(found - value) <= 1e-12 * found;
    value = found;
    v = next;
    if (done) break;
    yield;
  }
  return value;
}

/** Each entry of the gradient from F alone, by central differences of fourth order, (n + 1,), b's last: a check of `sums`. */
export function* differences(rows: Rows, at: Point, alpha = 0, which?: ArrayLike<number>): Generator<void, Float64Array> {
  const { n, x, y, s } = rows;
  const places = Array.from(which ?? { length: rows.m }, (i, k) => i ?? k);
  const z = Float64Array.from(places, (i) => logOdds(rows, i, at));
  const S = places.reduce((sum, i) => sum + (s ? s[i] : 1), 0);
  yield;
  /** F with a parameter moved by h, less the penalty on the others. */
  const F = (j: number, h: number): number => {
    const total = new Sum();
    places.forEach((i, k) => total.add((s ? s[i] : 1) * loss(z[k] + (j < n ? h * x[i * n + j] : h), y[i])));
    return total.value / S + (j < n ? 0.5 * alpha * (at.w[j] + h) ** 2 : 0);
  };
  const found = new Float64Array(n + 1);
  for (let j = 0; j <= n; j++) {
    const h = 1e-3 / (j < n ? places.reduce((most, i) => Math.max(most, Math.abs(x[i * n + j])), 0) || 1 : 1); // moves no z by more than 0.002
    found[j] = (8 * (F(j, h) - F(j, -h)) - (F(j, 2 * h) - F(j, -2 * h))) / (12 * h);
    yield;
  }
  return found;
}

/** Random whole numbers that always repeat (SplitMix32), for batches that the page draws itself. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let k = state ^ (state >>> 16);
    k = Math.imul(k, 0x21f0aaad);
    k ^= k >>> 15;
    k = Math.imul(k, 0x735a2d97);
    return (k ^ (k >>> 15)) >>> 0;
  };
}

/** The places 0, ..., m - 1 in a random order (Fisher and Yates). */
export function shuffled(m: number, seed: number): Uint32Array {
  const [order, draw] = [Uint32Array.from({ length: m }, (_, i) => i), random(seed)];
  for (let i = m - 1; i > 0; i--) {
    const j = draw() % (i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
