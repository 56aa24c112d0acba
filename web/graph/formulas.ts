// Formulas by KaTeX, as elements: what cannot be set is shown as text.

import katex from "katex";
import { el } from "../shared/dom";
import { nodes, real, tell, type Cell, type Num, type Sum, type Text } from "./data";

// What KaTeX has letters for; it complains on the console about the others.
const KNOWN = /^[\x20-\x7e\u00a0\u00b0\u00b1\u00b7\u00d7\u0370-\u03ff\u2013\u2014\u2026\u2212\u2202\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]*$/u;

const kept = new Map<string, HTMLElement>();
const KEPT = 2000;

/** A formula. `text` is what screen readers say, and what is shown if the LaTeX is beyond KaTeX. */
export function math(latex: string, text: string): HTMLElement {
  const key = `${latex}\n${text}`;
  const before = kept.get(key);
  if (before) return before.cloneNode(true) as HTMLElement;
  const span = el("span", { class: "math", role: "img", "aria-label": text });
  if (!KNOWN.test(latex)) {
    span.append(el("code", {}, text));
  } else {
    try {
      katex.render(latex, span, {
        output: "html", throwOnError: true, strict: "ignore", trust: false, maxExpand: 200, maxSize: 20,
      });
    } catch {
      span.replaceChildren(el("code", {}, text));
    }
  }
  if (kept.size > KEPT) kept.clear();
  kept.set(key, span);
  return span.cloneNode(true) as HTMLElement;
}

export const formula = (each: { latex: Text; text: Text }): HTMLElement =>
  math(tell(each.latex), tell(each.text));

// ---- numbers put in -----------------------------------------------------------------------------

const SPECIAL: Record<string, string> = {
  "\\": "\\backslash ", "{": "\\{", "}": "\\}", _: "\\_", "%": "\\%", "&": "\\&", "#": "\\#",
  $: "\\$", "^": "\\hat{}", "~": "\\sim ", "<": "\\lt ", ">": "\\gt ",
};

/** A name as formulas write it: n3 with an index, conv1.weight upright. */
export function symbol(name: string): string {
  const short = /^([A-Za-z])(\d*|\d+(?:\.\d+)+)$/.exec(name);
  if (short) return short[2] ? `${short[1]}_{${short[2]}}` : name;
  return `\\mathrm{${[...name].map((sign) => SPECIAL[sign] ?? sign).join("")}}`;
}

export const nameOf = (id: string): string => {
  const node = nodes.get(id);
  if (!node) return id;
  return node.name ?? (node.kind === "operation" ? node.id : node.title);
};

const at = (name: string, place: number[]): string =>
  symbol(name) + (place.length ? `[${place.join(",\\,")}]` : "");

/** Four digits; a power of ten where that is shorter. */
function written(value: Num): [latex: string, text: string] {
  const x = real(value);
  if (x === null) return ["?", "?"];
  if (!Number.isFinite(x)) {
    const word = Number.isNaN(x) ? "NaN" : x > 0 ? "∞" : "−∞";
    return [Number.isNaN(x) ? "\\mathrm{NaN}" : x > 0 ? "\\infty" : "-\\infty", word];
  }
  const size = Math.abs(x);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) {
    const [digits, power] = x.toExponential(3).split("e");
    return [`${digits}\\times 10^{${Number(power)}}`, `${digits}e${Number(power)}`];
  }
  const text = Number.isInteger(x) ? String(x) : String(Number(x.toPrecision(4)));
  return [text, text];
}

/** As a factor or term: negative numbers in brackets. */
function bracketed(value: Num): [latex: string, text: string] {
  const [latex, text] = written(value);
  return text.startsWith("-") || text.startsWith("−") ? [`(${latex})`, `(${text})`] : [latex, text];
}

function sum(found: Sum, more: string): [latex: string, text: string] {
  const latex: string[] = [];
  const text: string[] = [];
  const push = (tex: string, plain: string): void => {
    latex.push(tex);
    text.push(plain);
  };
  for (const [a, b] of found.terms) {
    const [x, y] = [bracketed(a), bracketed(b)];
    push(`${x[0]}\\times ${y[0]}`, `${x[1]} × ${y[1]}`);
  }
  const left = found.count - found.terms.length;
  if (left > 0) {
    const rest = bracketed(found.rest);
    push(`\\underbrace{${rest[0]}}_{${left}\\ \\text{${more}}}`, `${rest[1]} (${left} ${more})`);
  }
  if (found.plus !== null) {
    const plus = bracketed(found.plus);
    push(plus[0], plus[1]);
  }
  return [latex.join(" + "), text.join(" + ")];
}

/** How the value of one entry comes about, with the numbers put in; null where nothing is known. */
export function valueLine(
  id: string, cell: Cell, template: string | null, more: string,
): HTMLElement | null {
  const [, , place, value, , forward] = cell;
  if (forward === null) return null;
  const name = nameOf(id);
  let right: [string, string];
  if (Array.isArray(forward)) {
    if (template === null) return null;
    const put = (k: string): string => bracketed(forward[Number(k)] ?? null)[0];
    const inner = template.replace(/(?:\\(?:mathrm|text)\{)?⟨(\d+)⟩\}?/g, (_, k: string) => put(k));
    right = [inner, forward.map((x) => written(x)[1]).join(", ")];
  } else {
    right = sum(forward, more);
  }
  const result = written(value);
  return math(
    `${at(name, place)} = ${right[0]} = ${result[0]}`,
    `${name}[${place.join(", ")}] = ${right[1]} = ${result[1]}`,
  );
}

/** How the gradient of one entry comes about: upstream × local, one term for each way. */
export function gradientLine(id: string, cell: Cell, more: string): HTMLElement | null {
  const [, , place, , gradient, , backward] = cell;
  if (backward === null) return null;
  const name = nameOf(id);
  const right = sum(backward, more);
  const result = written(gradient);
  return math(
    `\\frac{\\partial L}{\\partial ${at(name, place)}} = ${right[0]} = ${result[0]}`,
    `∂L/∂${name}[${place.join(", ")}] = ${right[1]} = ${result[1]}`,
  );
}

/** One step of plain gradient descent for one entry. */
export function updateLine(id: string, cell: Cell, rate: number): HTMLElement | null {
  const [, , place, value, gradient] = cell;
  const [w, g] = [real(value), real(gradient)];
  if (w === null || g === null) return null;
  const name = nameOf(id);
  const [before, slope, after, step] = [written(w), bracketed(g), written(w - rate * g), written(rate)];
  return math(
    `${at(name, place)} \\leftarrow ${before[0]} - ${step[0]}\\times ${slope[0]} = ${after[0]}`,
    `${name}[${place.join(", ")}] ← ${before[1]} − ${step[1]} × ${slope[1]} = ${after[1]}`,
  );
}
