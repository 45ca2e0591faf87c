// Export: the graph as SVG, the run's numbers as CSV, the state as a link.

import { el, put, svg } from "../dom";
import { fragment } from "../link";
import { slopes } from "../math";
import { POINT, type Store } from "../store";
import { shownEpochs } from "./time";

function save(name: string, kind: string, content: string): void {
  const url = URL.createObjectURL(new Blob([content], { type: kind }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

const cell = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** The run as CSV: epoch, loss, accuracy, gradient's largest entry, and every weight. */
export function csv(store: Store): string {
  const { run, data } = store;
  const head = ["epoch", "loss", "objective", "accuracy", "largest_gradient", ...data.names.map((name) => `w ${name}`), "b"];
  const lines = shownEpochs(run.path.last, run.from).map((epoch) => {
    const [at, of] = [run.path.at(epoch), store.sums(epoch)];
    const largest = Math.max(...slopes(of, run.how.fitIntercept).map(Math.abs));
    return [epoch, of.loss, of.objective, of.accuracy, largest, ...at.w, at.b].map(String).join(",");
  });
  return `${[head.map(cell).join(","), ...lines].join("\r\n")}\r\n`;
}

/** The graph as a file of its own, with the page's rules for it, its background, and what it shows. */
function picture(graph: SVGElement, says: string): string {
  const copy = graph.cloneNode(true) as SVGElement;
  const originals = [graph, ...graph.querySelectorAll<SVGElement>("*")];
  [copy, ...copy.querySelectorAll<SVGElement>("*")].forEach((element, k) => {
    const style = getComputedStyle(originals[k]);
    for (const name of ["fill", "stroke", "stroke-width", "font-size", "font-family", "font-style", "font-weight"]) element.style.setProperty(name, style.getPropertyValue(name));
  });
  const [, , width, height] = copy.getAttribute("viewBox")!.split(" ").map(Number);
  const [x, y] = [-16, -48];
  const paper = getComputedStyle(document.body).backgroundColor;
  copy.prepend(svg("rect", { x, y, width: width + 32, height: height + 64, style: `fill: ${paper}` }), svg("text", { x: 0, y: -20 }, says));
  copy.setAttribute("viewBox", `${x} ${y} ${width + 32} ${height + 64}`);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return new XMLSerializer().serializeToString(copy);
}

export function view(store: Store, place: Element): void {
  const link = el("input", { type: "text", readonly: true, "aria-label": "link to this state", focus: () => link.select() });
  const button = (label: string, act: () => void): HTMLButtonElement => el("button", { type: "button", click: act }, label);
  put(
    place,
    button("graph as SVG", () => {
      store.showAll(); // the graph may be out of sight while the run plays
      const says = `${document.querySelector("p.row")!.textContent} Epoch ${store.state.epoch}.`;
      save("graph.svg", "image/svg+xml", picture(document.querySelector<SVGElement>("svg.graph")!, says));
    }),
    button("numbers as CSV", () => save("run.csv", "text/csv", csv(store))),
    // a page within a page has no address, and a link can't hold a table of the reader's own
    location.protocol !== "about:" && store.data.trainer && el("label", {}, "link to this state ", link),
  );
  store.watch([...POINT, "runs", "row", "stage", "column", "curve", "map", "surface"], (state) => void (link.value = `${location.href.split("#")[0]}${fragment(state)}`));
}
