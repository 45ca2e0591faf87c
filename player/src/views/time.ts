// Time: a slider over epochs, play, one step, back; and the curves.

import uPlot from "uplot";
import { el, pretty, put } from "../dom";
import { type Sums, sums } from "../math";
import { type Run, STAGES, type State, type Store } from "../store";

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
  playing.addEventListener("click", () => store.change({ isPlaying: !store.state.isPlaying }));
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

const finite = (x: number): number | null => (Number.isFinite(x) ? Math.min(x, 1e3) : null);

/** What may be drawn over the epochs: from the sums over the training rows, or over the held-out rows. */
const CURVES = {
  loss: (sum: Sums) => sum.loss,
  accuracy: (sum: Sums) => sum.accuracy,
  "gradient norm": (sum: Sums) => Math.max(Math.abs(sum.dL_db), ...sum.dL_dw.map(Math.abs)),
} as const;

const AXES: Record<keyof typeof CURVES, string> = { loss: "loss", accuracy: "accuracy", "gradient norm": "largest |∂L/∂w|" };

/** Epochs to name on an axis that grows by powers of ten. */
function ticks(last: number): number[] {
  const found = [0];
  for (let power = 1; power <= last; power *= 10) found.push(power);
  if (last > 2 * found[found.length - 1]) found.push(last);
  return found;
}

export function curves(store: Store, place: HTMLElement): void {
  const { data } = store;
  let what: keyof typeof CURVES = "loss";
  const choice = el("select", { "aria-label": "curve" }, ...Object.keys(CURVES).map((name) => el("option", { value: name }, name)));
  choice.addEventListener("change", () => ((what = choice.value as keyof typeof CURVES), anew()));
  const canvas = el("div");
  put(place, el("div", { class: "bar" }, choice), canvas);
  const color = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  let plot: uPlot | null = null;
  let made: State | null = null; // the state whose runs are drawn
  function* make(): Generator<void> {
    const { state } = store;
    const { runs, run: shown } = state;
    const run = runs[shown];
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
    const add = (label: string, values: (number | null)[], stroke: string, width: number, dash: number[] = []): void => {
      lines.push({ label, stroke: color(stroke), width, dash, spanGaps: true });
      columns.push(values);
    };
    for (const [k, each] of runs.entries()) if (k !== shown) add(k ? each.name : "the trainer's run", yield* drawn(each, (epoch) => CURVES[what](store.sums(epoch, k))), "--line", 1.5);
    add(shown ? run.name : "training rows", yield* drawn(run, (epoch) => CURVES[what](store.sums(epoch))), shown ? "--one" : "--training", 2);
    if (run.heldOut && what !== "gradient norm") add("held-out rows", yield* drawn(run, (epoch) => CURVES[what](sums(run.heldOut!, run.path.at(epoch)))), "--held-out", 2, [6, 4]);
    if (data.optimum && run.isCertified && what === "loss") {
      const floor = sums(data.training, data.optimum.at).loss;
      add("certified optimum", epochs.map(() => floor), "--ink", 1, [2, 3]);
    }
    const mark = color("--backward");
    plot?.destroy();
    plot = new uPlot(
      {
        width: canvas.clientWidth || 600,
        height: 230,
        scales: { x: { time: false, distr: 4, asinh: 1, range: () => [epochs[0], Math.max(epochs[epochs.length - 1], epochs[0] + 1)] }, y: { distr: what === "gradient norm" ? 3 : 1 } },
        axes: [{ ...axis, label: "epoch", splits: () => ticks(epochs[epochs.length - 1]) }, { ...axis, label: AXES[what] }],
        series: lines,
        legend: { live: false },
        cursor: { drag: { x: false, y: false } },
        hooks: {
          draw: [
            (u) => {
              const x = u.valToPos(store.state.epoch, "x", true);
              u.ctx.save();
              u.ctx.strokeStyle = mark;
              u.ctx.lineWidth = 2;
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
    made = state;
  }
  new ResizeObserver(() => plot?.setSize({ width: canvas.clientWidth, height: 230 })).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", anew);
  function* look(state: State): Generator<void> {
    if (state.run !== made?.run || state.runs !== made.runs) yield* make();
    else plot!.redraw(false);
    tell();
  }
  const again = store.watch(["runs", "run", "epoch"], look, place);
  function anew(): void {
    made = null;
    again();
  }
  function tell(): void {
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${what} over the epochs; ${pretty(CURVES[what](store.sums()))} at epoch ${store.state.epoch}`);
  }
}
