import assert from "node:assert/strict";
import { test } from "node:test";
import { encode, parse } from "../src/own";
import { start } from "../src/store";

let clock = 0; // of the tests below, in milliseconds

test("while a run plays, and when it stops, slow views wait for the next frame; else all are shown at once", (t) => {
  t.mock.method(performance, "now", () => clock);
  const frames: (() => void)[] = [];
  globalThis.requestAnimationFrame = (show) => frames.push(() => show(0));
  const store = start(encode(parse("a,y\n1,0\n2,1\n3,0\n4,1\n"), 1).data);
  const shown: number[] = [];
  for (let k = 0; k < 3; k++) {
    store.watch(["epoch", "isPlaying"], (state, before) => {
      if (state === before) return;
      shown.push(k);
      clock += 3;
    });
  }
  const steps = [
    [{ isPlaying: true }, [[0], [0, 1], [0, 1, 2]]],
    [{ epoch: 1 }, [[0], [0, 1], [0, 1, 2]]],
    [{ isPlaying: false }, [[0], [0, 1], [0, 1, 2]]],
  ] as const;
  for (const [part, expected] of steps) {
    shown.length = 0;
    store.change(part);
    assert.deepEqual(shown, []);
    for (const so of expected) {
      frames.shift()!();
      assert.deepEqual(shown, so);
    }
    assert.ok(store.isShown && !frames.length);
  }
  store.change({ epoch: 2 });
  assert.deepEqual(shown, [0, 1, 2, 0, 1, 2]);
});

test("a view that takes long goes on in the next frame, and begins anew if the state has changed", (t) => {
  t.mock.method(performance, "now", () => clock);
  const frames: (() => void)[] = [];
  globalThis.requestAnimationFrame = (show) => frames.push(() => show(0));
  const store = start(encode(parse("a,y\n1,0\n2,1\n3,0\n4,1\n"), 1).data);
  const done: string[] = [];
  const again = store.watch(["epoch"], function* ({ epoch }) {
    for (let k = 0; k < 3; k++) {
      done.push(`${epoch}.${k}`);
      clock += 3;
      yield;
    }
  });
  assert.deepEqual(done.splice(0), ["0.0", "0.1", "0.2"]);
  store.change({ isPlaying: true });
  assert.ok(store.isShown && !frames.length); // the view doesn't read what has changed
  store.change({ epoch: 1 });
  frames.shift()!();
  assert.deepEqual(done.splice(0), ["1.0"]);
  store.change({ epoch: 2 });
  while (frames.length) frames.shift()!();
  assert.deepEqual(done.splice(0), ["2.0", "2.1", "2.2"]);
  store.change({ epoch: 3 });
  frames.shift()!();
  store.showAll();
  assert.deepEqual(done.splice(0), ["3.0", "3.1", "3.2"]);
  store.change({ epoch: 4 });
  frames.shift()!();
  again();
  assert.deepEqual(done, ["4.0", "4.0", "4.1", "4.2"]);
  assert.ok(store.isShown);
});
