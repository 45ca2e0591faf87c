// Elements of the page, made without markup: names from the data are always text.

export type Child = Node | string | number | null | undefined | false;
type Attributes = Record<string, string | number | boolean | EventListener | undefined>;

const SVG = "http://www.w3.org/2000/svg";
const MATH = "http://www.w3.org/1998/Math/MathML";

function fill<E extends Element>(element: E, attributes: Attributes, children: readonly Child[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined) element.setAttribute(name, String(value));
  }
  for (const child of children) {
    if (child !== null && child !== undefined && child !== false) element.append(typeof child === "number" ? pretty(child) : child);
  }
  return element;
}

export function el<K extends keyof HTMLElementTagNameMap>(name: K, attributes: Attributes = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  return fill(document.createElement(name), attributes, children);
}

export function svg<K extends keyof SVGElementTagNameMap>(name: K, attributes: Attributes = {}, ...children: Child[]): SVGElementTagNameMap[K] {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function math(name: string, ...children: Child[]): Element {
  return fill(document.createElementNS(MATH, name), {}, children);
}

/** A small language for formulas: `row(i("z"), o("="), n("3"))`. */
export const tex = {
  i: (text: string) => math("mi", text),
  n: (value: number | string) => math("mn", typeof value === "number" ? pretty(value) : value),
  o: (text: string) => math("mo", text),
  text: (text: string) => math("mtext", text),
  row: (...children: Child[]) => math("mrow", ...children),
  over: (top: Child, bottom: Child) => math("mfrac", top, bottom),
  sub: (base: Child, index: Child) => math("msub", base, index),
  sup: (base: Child, index: Child) => math("msup", base, index),
  block: (...children: Child[]) => fill(math("math", ...children), { display: "block" }, []),
  /** A part of a line, which may break after it. */
  part: (...children: Child[]) => fill(math("math", ...children), { displaystyle: "true" }, []),
};

/** Replace what an element holds; a text alone by writing it into the one that is there. */
export function put(element: Element, ...children: Child[]): void {
  const [held, [text]] = [element.firstChild, children];
  if (children.length === 1 && typeof text === "string" && held instanceof Text && !held.nextSibling) return void (held.data = text);
  element.replaceChildren();
  fill(element, {}, children);
}

/** Write a number as books do: −0.2500, 7.9 × 10⁻¹³. */
export function pretty(x: number | null | undefined, digits = 4): string {
  if (x === null || x === undefined || Number.isNaN(x)) return "–";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  if (Object.is(x, -0)) return "0";
  if (Number.isInteger(x) && Math.abs(x) < 1e6) return x.toLocaleString("en").replace("-", "−");
  const exponent = Math.floor(Math.log10(Math.abs(x)));
  if (exponent > -5 && exponent < 6) return x.toFixed(Math.max(0, digits - 1 - exponent)).replace("-", "−");
  const [mantissa, power] = x.toExponential(digits - 1).split("e");
  const raised = [...String(Number(power))].map((c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]).join("");
  return `${mantissa}\u00a0×\u00a010${raised}`.replace("-", "−");
}

/** Write a number as a factor or term after a sign: one below 0 in brackets. */
export const signed = (x: number): string => (x < 0 ? `(${pretty(x)})` : pretty(x));

/** The head of a table's row: a name, which may break after _ and =, and its symbol. */
export function named(short: string, name: string, symbol = ""): HTMLTableCellElement {
  const parts = short.split(/(?<=[_=\s./-])/).flatMap((part, k) => (k ? [el("wbr"), part] : [part]));
  return el("th", { scope: "row", title: name }, ...parts, symbol && el("small", {}, ` ${symbol}`));
}

export const subscript = (k: number): string => [...String(k)].map((c) => "₀₁₂₃₄₅₆₇₈₉"[Number(c)]).join("");

/** Shorten a name with an ellipsis in the middle, since long names often differ at their ends. */
export function shortened(name: string, most: number): string {
  const letters = [...name];
  const tail = Math.floor(most / 2);
  return letters.length <= most ? name : `${letters.slice(0, most - 1 - tail).join("")}…${letters.slice(-tail).join("")}`;
}

/** Shorten names so that they stay different: those that don't get their number. */
export function allShortened(names: readonly string[], most: number): string[] {
  const made = names.map((name) => shortened(name, most));
  const seen = new Set<string>();
  const twice = new Set(made.filter((name) => seen.has(name) || !seen.add(name)));
  return made.map((name, j) => (twice.has(name) ? `${shortened(names[j], most - 6)} (${j + 1})` : name));
}
