// Time: a slider over epochs, play, one step, back; and the curves.

import uPlot from "uplot";
import { el, pretty, put } from "../dom";
import { type Sums, sums } from "../math";
import { type Run, STAGES, type Store } from "../store";

/** Epochs whose numbers are shown: those of the trainer, and some of a fork. */
export function shownEpochs(last: number, from: number, most = 300): number[] {
  const found = new Set([from, last]);
  for (let k = 0; k < most; k++) found.add(from + Math.round(Math.expm1((Math.log1p(last - from) * k) / (most - 1))));
  return [...found].sort((a, b) => a - b);
}

export function controls(store: Store, place: Element): void {
  const slider = el("input", { type: "range", min: 0, max: store.run.path.last, value: 0, "aria-label": "epoch" });
  const said = el("output", { class: "epoch" });
  const playing = el("button", { type: "button" });
  const go = (epoch: number): void => store.change({ epoch: Math.max(0, Math.min(store.run.path.last, epoch)), stage: STAGES.length - 1 });
  const button = (label: string, title: string, act: () => void): HTMLButtonElement => el("button", { type: "button", title, "aria-label": title, onclick: undefined, click: act }, label);
  playing.addEventListener("click", () => store.change({ isPlaying: !store.state.isPlaying }));
  slider.addEventListener("input", () => store.change({ epoch: Number(slider.value), stage: STAGES.length - 1, isPlaying: false }));
  put(
    place,
    button("|◀", "rewind to the start", () => (store.change({ isPlaying: false }), go(0))),
    button("−1", "one epoch back", () => go(store.state.epoch - 1)),
    playing,
    button("+1", "one epoch on", () => go(store.state.epoch + 1)),
    slider,
    said,
  );
  let last = 0;
  const tick = (now: number): void => {
    if (!store.state.isPlaying) return;
    if (now - last > 90 && store.isShown) {
      last = now;
      const { epoch } = store.state;
      if (epoch >= store.run.path.last) return store.change({ isPlaying: false });
      go(epoch + Math.max(1, Math.round(epoch / 20)));
    }
    requestAnimationFrame(tick);
  };
  store.watch((state, before) => {
    slider.max = String(store.run.path.last);
    slider.value = String(state.epoch);
    put(said, `epoch ${state.epoch.toLocaleString("en")} of ${store.run.path.last.toLocaleString("en")}`);
    put(playing, state.isPlaying ? "⏸" : "▶");
    playing.setAttribute("aria-label", state.isPlaying ? "pause" : "play");
    if (state.isPlaying && !before.isPlaying) requestAnimationFrame(tick);
  });
}

const finite = (x: number): number | null => (Number.isFinite(x) ? Math.min(x, 1e3) : null);

/** What may be drawn over the epochs: from the sums over the training rows, or over the held-out rows. */
const CURVES = {
  loss: (sum: Sums) => sum.loss,
  accuracy: (sum: Sums) => sum.accuracy,
  "largest derivative": (sum: Sums) => Math.max(Math.abs(sum.dL_db), ...sum.dL_dw.map(Math.abs)),
} as const;

export function curves(store: Store, place: HTMLElement): void {
  const { data } = store;
  let what: keyof typeof CURVES = "loss";
  const choice = el("select", { "aria-label": "curve" }, ...Object.keys(CURVES).map((name) => el("option", { value: name }, name)));
  choice.addEventListener("change", () => ((what = choice.value as keyof typeof CURVES), make()));
  const canvas = el("div");
  put(place, el("div", { class: "bar" }, choice), canvas);
  const color = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  let plot: uPlot | null = null;
  const make = (): void => {
    const { runs, run: shown } = store.state;
    const run = runs[shown];
    const epochs = [...new Set(runs.flatMap((each) => shownEpochs(each.path.last, each.from)))].sort((a, b) => a - b);
    const within = (each: Run, epoch: number): boolean => epoch >= each.from && epoch <= each.path.last;
    const drawn = (each: Run, value: (epoch: number) => number): (number | null)[] =>
      epochs.map((epoch) => (within(each, epoch) ? finite(value(epoch)) : null));
    const axis = { stroke: color("--muted"), grid: { stroke: color("--faint"), width: 1 }, ticks: { show: false } };
    const lines: uPlot.Series[] = [{ label: "epoch" }];
    const columns: (number | null)[][] = [epochs.map((e) => e + 1)];
    const add = (label: string, values: (number | null)[], stroke: string, width: number, dash: number[] = []): void => {
      lines.push({ label, stroke: color(stroke), width, dash, spanGaps: true });
      columns.push(values);
    };
    runs.forEach((each, k) => k !== shown && add(k ? each.name : "the trainer's run", drawn(each, (epoch) => CURVES[what](store.sums(epoch, k))), "--line", 1.5));
    add(shown ? run.name : "training rows", drawn(run, (epoch) => CURVES[what](store.sums(epoch))), "--training", 2);
    if (run.heldOut && what !== "largest derivative") add("held-out rows", drawn(run, (epoch) => CURVES[what](sums(run.heldOut!, run.path.at(epoch)))), "--held-out", 2, [6, 4]);
    if (data.optimum && run.isCertified && what === "loss") {
      const floor = sums(data.training, data.optimum.at).loss;
      add("certified optimum", epochs.map(() => floor), "--ink", 1, [2, 3]);
    }
    plot?.destroy();
    plot = new uPlot(
      {
        width: canvas.clientWidth || 600,
        height: 230,
        scales: { x: { time: false, distr: 3, range: () => [epochs[0] + 1, Math.max(epochs[epochs.length - 1] + 1, epochs[0] + 2)] }, y: { distr: what === "largest derivative" ? 3 : 1 } },
        axes: [{ ...axis, label: "epoch + 1" }, { ...axis, label: what }],
        series: lines,
        legend: { live: false },
        cursor: { drag: { x: false, y: false } },
        hooks: {
          draw: [
            (u) => {
              const x = u.valToPos(store.state.epoch + 1, "x", true);
              u.ctx.save();
              u.ctx.strokeStyle = color("--backward");
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
  };
  new ResizeObserver(() => plot?.setSize({ width: canvas.clientWidth, height: 230 })).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", make);
  store.watch((state, before) => {
    if (state === before || state.run !== before.run || state.runs !== before.runs) make();
    else if (state.epoch !== before.epoch) plot?.redraw(false);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `loss over the epochs; ${pretty(store.sums().loss)} at epoch ${state.epoch}`);
  });
}
