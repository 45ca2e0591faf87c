import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as M from "../src/math";
import { batches, Path, stepped } from "../src/run";
import { moved, rescaled } from "../src/views/fork";
import { grid } from "../src/views/plane";
import { encode, parse, targets, Unusable } from "../src/own";

// numbers that Python wrote: scripts/player-numbers
const told = JSON.parse(readFileSync(new URL("../test/numbers.json", import.meta.url), "utf-8"));

function near(found: number, expected: number, ulps: number, what: string): void {
  assert.ok(Math.abs(found - expected) <= ulps * 2 * M.UNIT * Math.abs(expected), `${what}: ${found} is not ${expected}`);
}

test("a row's loss and derivatives, at the edges too", () => {
  for (const { z, y, g, loss, dL_dz, dg_dz } of told.points) {
    near(M.sigmoid(z), g, 4, `g(${z})`);
    near(M.loss(z, y), loss, 4, `l(${z}, ${y})`);
    near(M.dL_dz(z, y), dL_dz, 4, `dL_dz(${z}, ${y})`);
    near(M.dg_dz(z), dg_dz, 8, `dg_dz(${z})`);
    if (Math.abs(z) <= 700) near(M.dL_dg(z, y) * M.dg_dz(z), dL_dz, 8, `the article's product at ${z}`);
  }
});

test("b counts as a derivative only where it is trained", () => {
  const found = { dL_dw: Float64Array.of(1, -2), dL_db: 5 } as unknown as M.Sums;
  assert.deepEqual([M.slopes(found, true), M.slopes(found, false)], [[1, -2, 5], [1, -2]]);
});

test("sums over rows agree with the graph's within their bounds", () => {
  for (const run of told.runs) {
    const rows: M.Rows = { ...run.rows, x: Float64Array.from(run.rows.x), y: Uint8Array.from(run.rows.y), s: run.rows.s && Float64Array.from(run.rows.s) };
    for (const at of run.at) {
      const found = M.sums(rows, { w: Float64Array.from(at.w), b: at.b }, run.alpha);
      assert.ok(Math.abs(found.loss - at.loss) <= 64 * found.bounds.loss);
      assert.ok(Math.abs(found.dL_db - at.dL_db) <= 64 * found.bounds.dL_db);
      at.dL_dw.forEach((d: number, j: number) => assert.ok(Math.abs(found.dL_dw[j] - d) <= 64 * found.bounds.dL_dw[j]));
      near(found.accuracy, at.accuracy, 4, "accuracy");
    }
    const limit = 2 / M.finished(M.largestEigenvalue(rows, M.curvatures(rows), run.alpha));
    assert.ok(Math.abs(limit / run.limit - 1) < 1e-6, `2/L_max: ${limit}`);
  }
});

test("gradients are derivatives", () => {
  const run = told.runs[0];
  const rows: M.Rows = { ...run.rows, x: Float64Array.from(run.rows.x), y: Uint8Array.from(run.rows.y), s: null };
  const at = { w: Float64Array.from(run.at[1].w), b: run.at[1].b };
  const of = M.sums(rows, at, 0.3);
  const [found, exact] = [M.finished(M.differences(rows, at, 0.3)), [...of.dL_dw, of.dL_db]];
  exact.forEach((d, j) => assert.ok(Math.abs(found[j] - d) < 1e-9));
});

test("sums lose nothing", () => {
  const sum = new M.Sum();
  for (const x of [1, 1e100, 1, -1e100]) sum.add(x);
  assert.equal(sum.value, 2);
});

test("an order of rows has each once and repeats", () => {
  const order = M.shuffled(1000, 7);
  assert.deepEqual([...order].sort((a, b) => a - b), [...Array(1000).keys()]);
  assert.deepEqual(order, M.shuffled(1000, 7));
  assert.notDeepEqual(order, M.shuffled(1000, 8));
});

function rowsOf(run: any): M.Rows {
  return { ...run.rows, x: Float64Array.from(run.rows.x), y: Uint8Array.from(run.rows.y), s: run.rows.s && Float64Array.from(run.rows.s) };
}

test("the epochs between the embedded ones are the trainer's", () => {
  for (const run of told.runs) {
    const how = { rate: run.rate, alpha: run.alpha, size: 0, fitIntercept: true, seed: 0 };
    const start = { w: Float64Array.from(run.at[0].w as number[]), b: run.at[0].b };
    const path = new Path(rowsOf(run), how, [[0, start]], run.at.length - 1);
    run.at.forEach((at: any, epoch: number) => {
      const found = path.at(epoch);
      at.w.forEach((w: number, j: number) => assert.ok(Math.abs(found.w[j] - w) <= 1e-11 * (1 + Math.abs(w))));
      assert.ok(Math.abs(found.b - at.b) <= 1e-11 * (1 + Math.abs(at.b)));
    });
  }
});

test("the steps of an epoch are those of sums and update, batch by batch", () => {
  const run = told.runs[1];
  const rows = rowsOf(run);
  const how = { rate: 0.7, alpha: run.alpha, size: 7, fitIntercept: true, seed: 3 };
  const start = { w: Float64Array.from(run.at[2].w as number[]), b: run.at[2].b };
  const steps = batches(rows.m, how, 5);
  assert.deepEqual(steps.flatMap((batch) => [...batch!]).sort((a, b) => a - b), [...Array(rows.m).keys()]);
  const expected = steps.reduce((at, batch) => M.update(at, M.sums(rows, at, how.alpha, batch!), how.rate), start as M.Point);
  const found = stepped(rows, start, how, steps);
  expected.w.forEach((w, j) => assert.ok(Math.abs(found.w[j] - w) <= 1e-12 * (1 + Math.abs(w))));
  assert.ok(Math.abs(found.b - expected.b) <= 1e-12);
  assert.deepEqual(batches(rows.m, { ...how, size: 0 }, 5), [null]);
});

test("a sample of a large table has each class with its share", () => {
  const lines = Array.from({ length: 10_000 }, (_, i) => `${i % 17},${i % 50 === 7 ? "rare" : "usual"}`);
  const { data } = encode(parse(`a,y\n${lines.join("\n")}`), 1);
  assert.equal(data.rows.m, 2000);
  assert.equal(data.rows.y.filter((y) => y === 0).length, 40);
  assert.equal(data.sampledFrom, 10_000);
  assert.deepEqual(data.rowNumbers, data.rowNumbers.slice().sort());
});

test("other units keep every z", () => {
  const run = told.runs[0];
  const [rows, at] = [rowsOf(run), { w: Float64Array.from(run.at[7].w as number[]), b: run.at[7].b }];
  const [center, scale] = [Float64Array.of(1, -2, 30), Float64Array.of(2, 0.5, 10)];
  const [z, other] = [M.logOddsOf(rows, at), M.logOddsOf(rescaled(rows, center, scale), moved(at, center, scale))];
  z.forEach((each, i) => assert.ok(Math.abs(each - other[i]) < 1e-12));
});

test("the loss surface is F", () => {
  const run = told.runs[1];
  const [rows, at] = [rowsOf(run), { w: Float64Array.from(run.at[5].w as number[]), b: run.at[5].b }];
  const ranges = [{ low: -1, high: 1 }, { low: -2, high: 2 }] as const;
  const values = M.finished(grid(rows, at, [0, rows.n], ranges[0], ranges[1], 3, run.alpha));
  for (const [k, u, v] of [[0, -1, -2], [4, 0, 0], [5, 1, 0], [8, 1, 2]] as const) {
    const w = at.w.slice();
    w[0] = u;
    assert.ok(Math.abs(values[k] - M.sums(rows, { w, b: v }, run.alpha).objective) < 1e-13);
  }
});

test("a table of one's own: numbers, levels, missing cells, and what can't be used", () => {
  const table = parse("age,town,same,ok\n1,Aix,1,yes\n2,Bonn,1,no\n,Aix,1,yes\n4,Cork,1,no\n");
  assert.deepEqual(targets(table), [3]);
  const { data, notes } = encode(table, 3);
  assert.deepEqual(data.names, ["age", "town=Bonn", "town=Cork"]);
  assert.equal(notes.length, 2);
  for (let j = 0; j < 3; j++) assert.ok(Math.abs([0, 1, 2, 3].reduce((sum, i) => sum + data.rows.x[i * 3 + j], 0)) < 1e-12);
  const far = encode(parse("large,small,usual,y\n1.3e200,1e-200,1,0\n2e200,3e-200,2,1\n1e200,2e-200,4,1\n"), 3);
  assert.deepEqual(far.data.names, ["usual"]);
  assert.match(far.notes.join(), /Column large .* too large.*Column small .* too small/);
  assert.throws(() => parse("a,b\n1\n"), Unusable);
  assert.throws(() => parse(""), Unusable);
  assert.throws(() => encode(parse("a,b\n1,x\n1,y\n"), 1), Unusable);
});
