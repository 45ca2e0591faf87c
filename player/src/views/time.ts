// Time: a slider over epochs, play, one step, back; and the curves.

import uPlot from "uplot";
import { el, pretty, put } from "../dom";
import { slopes, type Sums } from "../math";
import { type How } from "../run";
import { type Curve, CURVES, type Run, STAGES, type State, type Store } from "../store";

/** Epochs whose numbers are shown: those of the trainer, and some of a fork. */
export function shownEpochs(last: number, from: number, most = 300): number[] {
  const found = new Set([from, last]);
  for (let k = 0; k < most; k++) found.add(from + Math.round(Math.expm1((Math.log1p(last - from) * k) / (most - 1))));
  return [...found].sort((a, b) => a - b);
}

/** The bar of time; returns its buttons by the keys that press them. */
export function controls(store: Store, place: Element): Record<string, HTMLButtonElement> {
  const slider = el("input", { type: "range", min: 0, max: store.run.path.last, value: 0, "aria-label": "epoch" });
  const said = el("output", { class: "epoch" });
  const which = el("select", { "aria-label": "run" });
  which.addEventListener("change", () => {
    const run = Number(which.value);
    const { from, path } = store.state.runs[run];
    store.change({ run, epoch: Math.max(from, Math.min(path.last, store.state.epoch)), isPlaying: false });
  });
  const playing = el("button", { type: "button" });
  const go = (epoch: number): void => store.change({ epoch: Math.max(store.run.from, Math.min(store.run.path.last, epoch)), stage: STAGES.length - 1 });
  const button = (label: string, title: string, act: () => void): HTMLButtonElement => el("button", { type: "button", title, "aria-label": title, click: act }, label);
  const [back, on] = [button("−1", "one epoch back", () => go(store.state.epoch - 1)), button("+1", "one epoch on", () => go(store.state.epoch + 1))];
  playing.addEventListener("click", () => {
    const [{ from, path }, { epoch, isPlaying }] = [store.run, store.state];
    store.change({ isPlaying: !isPlaying, ...(!isPlaying && epoch === path.last ? { epoch: from } : {}) }); // at the end, from the start
  });
  slider.addEventListener("input", () => store.change({ epoch: Number(slider.value), stage: STAGES.length - 1, isPlaying: false }));
  put(
    place,
    button("|◀", "rewind to the start", () => (store.change({ isPlaying: false }), go(store.run.from))),
    back,
    playing,
    on,
    slider,
    said,
    which,
  );
  // With reduced motion the run is shown in fewer and longer steps.
  const [pause, growth] = matchMedia("(prefers-reduced-motion: reduce)").matches ? [1000, 3] : [90, 20];
  let last = 0;
  const tick = (now: number): void => {
    if (!store.state.isPlaying) return;
    if (now - last > pause && store.isShown) {
      last = now;
      const { epoch } = store.state;
      if (epoch >= store.run.path.last) return store.change({ isPlaying: false });
      go(epoch + Math.max(1, Math.round(epoch / growth)));
    }
    requestAnimationFrame(tick);
  };
  let runs: readonly Run[] = [];
  store.watch(["runs", "run", "epoch", "batch", "isPlaying"], (state, before) => {
    const { from, path } = store.run;
    const { length } = store.batches;
    const at = `epoch ${state.epoch.toLocaleString("en")} of ${path.last.toLocaleString("en")}${length > 1 ? `, batch ${state.batch + 1} of ${length}` : ""}`;
    slider.min = String(from);
    slider.max = String(path.last);
    slider.value = String(state.epoch);
    slider.setAttribute("aria-valuetext", at);
    said.setAttribute("aria-live", state.isPlaying ? "off" : "polite"); // else each frame is read out
    put(said, at);
    if (runs !== state.runs) put(which, ...(runs = state.runs).map((run, k) => el("option", { value: k }, run.name)));
    which.hidden = state.runs.length < 2;
    which.value = String(state.run);
    put(playing, state.isPlaying ? "❚❚" : "▶");
    playing.setAttribute("aria-label", state.isPlaying ? "pause" : "play");
    if (state.isPlaying && !before.isPlaying) requestAnimationFrame(tick);
  });
  return { ArrowDown: on, ArrowUp: back, Enter: playing };
}

const finite = (x: number): number | null => (Number.isFinite(x) ? x : null);

/** What a curve shows of the sums over some rows; the loss is F with a penalty. */
const SHOWS: Record<Curve, (sum: Sums, how: How) => number> = {
  loss: (sum) => sum.objective,
  accuracy: (sum) => sum.accuracy,
  "gradient norm": (sum, { fitIntercept }) => Math.max(...slopes(sum, fitIntercept).map(Math.abs)),
};

const COLORS = ["--training", "--one", "--zero", "--ramp-6", "--backward", "--line"]; // of the runs
const LINEAR = 10; // a loss above it is drawn by its powers of ten

/** Losses to name on an axis that grows by powers of ten: 0, and as few as its height has room for. */
function powers(most: number): number[] {
  const factor = 10 ** Math.ceil(Math.log10(most) / 3);
  return [0, factor, factor ** 2, factor ** 3].filter((power) => power <= most);
}

/** Epochs to name on an axis that grows by powers of ten. */
function ticks(last: number): number[] {
  const found = [0];
  for (let power = 1; power <= last; power *= 10) found.push(power);
  if (last > 2 * found[found.length - 1]) found.push(last);
  return found;
}

export function curves(store: Store, place: HTMLElement): void {
  const { data } = store;
  const choice = el("select", { "aria-label": "curve" }, ...CURVES.map((name) => el("option", { value: name }, name)));
  choice.addEventListener("change", () => store.change({ curve: choice.value as Curve }));
  const canvas = el("div");
  put(place, el("div", { class: "bar" }, choice), canvas);
  const color = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  let plot: uPlot | null = null;
  let [made, highest]: [State | null, number] = [null, 0]; // the state whose runs are drawn, and the largest value
  function* make(): Generator<void> {
    const { state } = store;
    const { runs, run: shown, curve } = state;
    let most = 0;
    const isLoss = curve === "loss";
    choice.value = curve;
    const epochs = [...new Set(runs.flatMap((each) => shownEpochs(each.path.last, each.from)))].sort((a, b) => a - b);
    const within = (each: Run, epoch: number): boolean => epoch >= each.from && epoch <= each.path.last;
    function* drawn(each: Run, value: (epoch: number) => number): Generator<void, (number | null)[]> {
      const values: (number | null)[] = [];
      for (const epoch of epochs) {
        if (within(each, epoch)) yield* each.path.reach(epoch);
        values.push(within(each, epoch) ? finite(value(epoch)) : null);
        yield;
      }
      return values;
    }
    const axis = { stroke: color("--muted"), grid: { stroke: color("--faint"), width: 1 }, ticks: { show: false } };
    const lines: uPlot.Series[] = [{ label: "epoch" }];
    const columns: (number | null)[][] = [epochs];
    const add = (label: string, values: (number | null)[], stroke: string, width: number, dash: number[] = [], inKey = true): void => {
      lines.push({ label, stroke: color(stroke), width, dash, spanGaps: true, ...(inKey ? {} : { class: "again" }) });
      columns.push(values);
      for (const value of values) most = Math.max(most, value ?? 0);
    };
    for (const [k, each] of runs.entries()) {
      const [isShown, stroke] = [k === shown, COLORS[k % COLORS.length]];
      const [width, hasPenalty] = [isShown ? 2.5 : 1.25, isLoss && each.how.alpha > 0];
      const name = runs.length > 1 ? each.name : "training rows";
      add(hasPenalty ? `${name}: F, the loss plus the penalty` : name, yield* drawn(each, (epoch) => SHOWS[curve](store.sums(epoch, k), each.how)), stroke, width);
      if (hasPenalty) add("the loss without the penalty", yield* drawn(each, (epoch) => store.sums(epoch, k).loss), stroke, width, [2, 3], isShown);
      if (each.heldOut && curve !== "gradient norm") add("held-out rows", yield* drawn(each, (epoch) => (isLoss ? store.heldOut(epoch, k).loss : store.heldOut(epoch, k).accuracy)), stroke, width, [6, 4], isShown);
    }
    if (data.optimum && isLoss) add(`certified optimum of ${runs[0].name}`, epochs.map(() => data.optimum!.objective), "--ink", 1, [2, 3]);
    const isLarge = isLoss && most > LINEAR;
    const mark = color("--backward");
    plot?.destroy();
    plot = new uPlot(
      {
        width: canvas.clientWidth || 600,
        height: 230,
        scales: { x: { time: false, distr: 4, asinh: 1, range: () => [epochs[0], Math.max(epochs[epochs.length - 1], epochs[0] + 1)] }, y: { distr: isLarge ? 4 : curve === "gradient norm" ? 3 : 1, asinh: 1, ...(isLarge ? { range: [0, most] } : {}) } },
        axes: [
          { ...axis, label: "epoch", splits: () => ticks(epochs[epochs.length - 1]) },
          { ...axis, label: curve === "gradient norm" ? "largest |∂L/∂w|" : curve, size: 60, ...(isLarge ? { splits: () => powers(most), filter: (_, splits) => splits, values: (_, splits) => splits.map((value) => pretty(value, 1)) } : {}) },
        ],
        series: lines,
        legend: { live: false, markers: { dash: (_, k) => (lines[k].dash?.length ? (lines[k].dash[0] > 2 ? "dashed" : "dotted") : "solid") } },
        cursor: { drag: { x: false, y: false } },
        hooks: {
          draw: [
            (u) => {
              const x = u.valToPos(store.state.epoch, "x", true);
              u.ctx.save();
              u.ctx.strokeStyle = mark;
              u.ctx.lineWidth = 2;
              u.ctx.setLineDash([]);
              u.ctx.beginPath();
              u.ctx.moveTo(x, u.bbox.top);
              u.ctx.lineTo(x, u.bbox.top + u.bbox.height);
              u.ctx.stroke();
              u.ctx.restore();
            },
          ],
        },
      },
      columns as uPlot.AlignedData,
      canvas,
    );
    plot.over.addEventListener("click", (event) => {
      const { from, path } = store.run; // which may not be drawn yet
      const epoch = Math.round(plot!.posToVal(event.offsetX, "x"));
      store.change({ epoch: Math.max(from, Math.min(path.last, epoch)), stage: STAGES.length - 1, isPlaying: false });
    });
    [made, highest] = [state, most];
  }
  new ResizeObserver(() => plot?.setSize({ width: canvas.clientWidth, height: 230 })).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", anew);
  function* look(state: State): Generator<void> {
    if (state.run !== made?.run || state.runs !== made.runs || state.curve !== made.curve) yield* make();
    else plot!.redraw(false);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${state.curve} over the epochs, at most ${pretty(highest)}; ${pretty(SHOWS[state.curve](store.sums(), store.run.how))} at epoch ${state.epoch}`);
  }
  const again = store.watch(["runs", "run", "epoch", "curve"], look, place);
  function anew(): void {
    made = null;
    again();
  }
}
