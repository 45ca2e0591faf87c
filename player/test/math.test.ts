import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as M from "../src/math";

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
  }
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
    const limit = 2 / M.largestEigenvalue(rows, M.curvatures(rows), run.alpha);
    assert.ok(Math.abs(limit / run.limit - 1) < 1e-6, `2/L_max: ${limit}`);
  }
});

test("gradients are derivatives", () => {
  const run = told.runs[0];
  const rows: M.Rows = { ...run.rows, x: Float64Array.from(run.rows.x), y: Uint8Array.from(run.rows.y), s: null };
  const at = { w: Float64Array.from(run.at[1].w), b: run.at[1].b };
  const of = M.sums(rows, at, 0.3);
  const [found, exact] = [M.differences(rows, at, 0.3), [...of.dL_dw, of.dL_db]];
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
