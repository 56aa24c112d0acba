// The details of what is chosen: a node with its tabs, or a group with what is in it.

import { el } from "../shared/dom";
import { number, percent } from "../shared/format";
import { say, told, type Words } from "../shared/words";
import {
  edgesFrom, edgesTo, nodes, page, real, shapeOf, tell, type Line, type Node, type Picture,
} from "./data";
import { entryLines, firstCell, optimised, update } from "./entry";
import { formula, math, nameOf } from "./formulas";
import { cellUnder, fitted, paint } from "./heat";
import { choose, fold, groups, on, openTab, pointAt, reveal, state, stepNow, type Tab } from "./state";
import { around, groupAround, parameterGradient, parametersIn, type Group } from "./tree";
import { W } from "./words";

const TABS: [Tab, Words][] = [
  ["value", W.value], ["gradient", W.gradient], ["formula", W.formula], ["source", W.source],
];
const panel = el("aside", { class: "inspector" });
/** What shows the entry: drawn again when another one is pointed at. */
let entryBox: HTMLElement | null = null;
let squares: { square: HTMLElement; canvas: HTMLCanvasElement }[] = [];

// ---- pieces -------------------------------------------------------------------------------------

function link(id: string): HTMLElement {
  return el("button", {
    class: "link", type: "button",
    click: () => {
      reveal(around(groupAround(id)));
      choose(id);
    },
  }, nameOf(id));
}

function facts(pairs: [Words, string | Node_ | null][]): HTMLElement {
  const list = el("dl", { class: "facts" });
  for (const [words, content] of pairs) {
    if (content === null || content === "") continue;
    list.append(el("div", {}, el("dt", {}, say(words)), el("dd", {}, content)));
  }
  return list;
}
type Node_ = globalThis.Node;

function statistics(picture: Picture): HTMLElement {
  const s = picture.statistics;
  const n = (x: Parameters<typeof real>[0]): string => number(real(x));
  return facts([
    [W.mean, n(s.mean)], [W.std, n(s.std)], [W.min, n(s.min)], [W.max, n(s.max)],
    [W.norm, n(s.norm)], [W.zeros, s.zeros ? percent(s.zeros / s.count) : "0"],
    [W.notFinite, s.not_finite ? String(s.not_finite) : null],
  ]);
}

/** A large picture; pointing at a cell or moving with the arrow keys chooses the entry. */
function picture(node: Node, shown: Picture, kind: string, side: number): HTMLElement {
  const canvas = el("canvas", { class: "map", tabindex: 0, role: "img" });
  canvas.setAttribute("aria-label", `${say(kind === "value" ? W.value : W.gradient)} ${
    nameOf(node.id)} ${shown.preview.slice}. ${say(W.hoverHint)}`);
  const [width, height] = fitted(shown, side, side);
  paint(canvas, shown);
  const square = el("span", { class: "square", hidden: true });
  const frame = el("span", { class: "mapframe" }, canvas, square);
  frame.style.width = `${width}px`;
  frame.style.height = `${height}px`;
  const follow = (event: MouseEvent): void => {
    const at = cellUnder(canvas, shown, event);
    if (at && state.output === 0) pointAt(at.row, at.column);
  };
  canvas.addEventListener("pointermove", follow);
  canvas.addEventListener("click", follow);
  canvas.addEventListener("keydown", (event) => {
    const by = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!by || state.output !== 0) return;
    event.preventDefault();
    event.stopPropagation();
    const from = state.entry ?? firstCell(node.id) ?? { row: 0, column: 0 };
    const clamp = (x: number, n: number): number => Math.max(0, Math.min(n - 1, x));
    pointAt(clamp(from.row + by[0]!, canvas.height), clamp(from.column + by[1]!, canvas.width));
  });
  squares.push({ square, canvas });
  const [cells, count] = [shown.preview.rows * shown.preview.columns, shown.statistics.count];
  const axes = shown.preview.slice.slice(1, -1).split(", ");
  const plane = node.outputs[state.output]?.shape
    .reduce((size, n, i) => (axes[i] === ":" ? size * n : size), 1) ?? count;
  const averaged = cells < plane;
  const note = say(W.shown, { slice: shown.preview.slice }) + (averaged ? `, ${say(W.averaged)}` : "");
  return el("figure", { class: kind }, frame,
    count > 1 ? el("figcaption", { class: "hint" }, note) : null);
}

function showEntry(): void {
  const at = state.entry ?? firstCell(state.chosen);
  for (const { square, canvas } of squares) {
    square.hidden = !at || state.output !== 0;
    if (!at) continue;
    square.style.left = `${(100 * at.column) / canvas.width}%`;
    square.style.top = `${(100 * at.row) / canvas.height}%`;
    square.style.width = `${100 / canvas.width}%`;
    square.style.height = `${100 / canvas.height}%`;
  }
  if (entryBox) {
    entryBox.replaceChildren(
      ...(at && state.output === 0 ? entryLines(state.chosen, at.row, at.column, true) : []),
    );
  }
}

function entrySection(): HTMLElement {
  entryBox = el("div", { class: "entry", "aria-live": "polite" });
  return entryBox;
}

// ---- tabs ---------------------------------------------------------------------------------------

function arrayTab(node: Node, kind: "value" | "gradient"): HTMLElement[] {
  const out = node.outputs[state.output];
  const shown = out?.[kind];
  if (!out || !shown) return [el("p", { class: "hint" }, say(kind === "value" ? W.noValue : W.noGradient))];
  const parts = [
    facts([
      [W.shape, out.shape.length ? shapeOf(out.shape) : say(W.scalar)], [W.dtype, out.dtype],
    ]),
    picture(node, shown, kind, 256),
    el("p", { class: "hint" }, say(W.hoverHint)),
    entrySection(),
    statistics(shown),
  ];
  const ways = kind === "gradient" ? edgesFrom(node.id).filter((e) => e.gradient_norm !== null) : [];
  if (ways.length) {
    const list = el("ul", { class: "ways" });
    for (const edge of ways) {
      const share = real(edge.share);
      const bar = el("span", { class: "bar" });
      bar.style.width = `${Math.max(0, Math.min(1, share ?? 0)) * 100}%`;
      list.append(el("li", {}, link(edge.to),
        el("span", { class: "hint" }, `${say(W.carries, { norm: number(real(edge.gradient_norm)) })}${
          ways.length > 1 ? ` · ${say(W.share, { share: percent(share) })}` : ""}`),
        el("span", { class: "track" }, bar)));
    }
    parts.push(el("h3", {}, say(W.comesFrom)), list);
  }
  return parts;
}

/** Formulas are set; lines with sentences in them are left as text. */
function worked(line: Line): HTMLElement {
  const text = tell(line.text);
  const plain = line.kind === "note" || /\bshape\b|形状|\[\S+, \S+, \S+, \S+, \S+, \S+/.test(text);
  return el("li", { class: `line ${line.kind}` }, plain ? el("code", {}, text) : math(tell(line.latex), text));
}

function rate(): HTMLElement {
  const input = el("input", { type: "number", min: 0, step: "any", value: update.rate, id: "rate" });
  input.addEventListener("input", () => {
    const value = input.valueAsNumber;
    if (Number.isFinite(value)) update.rate = value;
    showEntry();
  });
  return el("label", { class: "rate hint" }, `${say(W.rate)} `, input);
}

function formulaTab(node: Node): HTMLElement[] {
  const parts: HTMLElement[] = [];
  if (node.formula) {
    parts.push(el("h3", {}, say(W.symbols)), el("p", { class: "big" }, formula(node.formula)));
  }
  if (node.derivatives.length) {
    parts.push(el("h3", {}, say(W.local)), el("ul", { class: "lines" },
      ...node.derivatives.map((each) => el("li", { class: "line local" }, formula(each)))));
  }
  const out = node.outputs[0];
  if (out?.value) {
    parts.push(el("h3", {}, say(W.numbers)));
    const both = el("div", { class: "pair" }, picture(node, out.value, "value", 150));
    if (out.gradient) both.append(picture(node, out.gradient, "gradient", 150));
    if (out.value.statistics.count > 1) parts.push(both, el("p", { class: "hint" }, say(W.hoverHint)));
    if (node.kind === "parameter" && !optimised()) parts.push(rate());
    parts.push(entrySection());
  }
  const step = page.updates[node.id];
  if (step) {
    parts.push(el("h3", {}, tell(step.title)), el("ul", { class: "lines" },
      ...step.lines.map((line) => el("li", { class: "line numbers" }, math(tell(line.latex), tell(line.text)),
        line.label ? el("span", { class: "hint" }, ` ${tell(line.label)}`) : null))));
  }
  const lines = node.lines.filter((line) => line.kind !== "formula");
  if (lines.length) {
    parts.push(el("h3", {}, say(W.lines)), el("ul", { class: "lines" }, ...lines.map(worked)));
  }
  return parts;
}

function sourceTab(node: Node): HTMLElement[] {
  const source = node.source;
  if (!source) return [el("p", { class: "hint" }, say(W.noSource))];
  return [
    el("p", { class: "file" }, el("b", {}, source.file), ` · ${say(W.line, { n: source.line })} · ${source.function}`),
    el("pre", { class: "code" }, source.code),
  ];
}

const content = (node: Node, tab: Tab): HTMLElement[] =>
  tab === "formula" ? formulaTab(node) : tab === "source" ? sourceTab(node) : arrayTab(node, tab);

function tabs(node: Node): HTMLElement[] {
  const row = el("div", { class: "tabs", role: "tablist" });
  for (const [tab, words] of TABS) {
    const here = state.tab === tab;
    row.append(el("button", {
      type: "button", role: "tab", id: `tab-${tab}`, "aria-selected": String(here), tabindex: here ? 0 : -1,
      "aria-controls": "tab-content",
      click: () => openTab(tab),
      keydown: (event) => {
        const by = { ArrowLeft: -1, ArrowRight: 1 }[(event as KeyboardEvent).key];
        if (!by) return;
        event.preventDefault();
        event.stopPropagation();
        const next = TABS[(TABS.findIndex(([name]) => name === tab) + by + TABS.length) % TABS.length]!;
        openTab(next[0]);
        document.getElementById(`tab-${next[0]}`)?.focus();
      },
    }, say(words)));
  }
  const body = el("div", {
    class: "tab", id: "tab-content", role: "tabpanel", "aria-labelledby": `tab-${state.tab}`,
  }, ...content(node, state.tab));
  return [row, body];
}

// ---- nodes and groups ---------------------------------------------------------------------------

function trail(inside: Group[], owner: string): HTMLElement | null {
  if (!inside.length) return null;
  const row = el("p", { class: "trail" });
  for (const each of [...inside].reverse()) {
    row.append(el("button", { class: "link", type: "button", click: () => choose(each.id) },
      each.name || each.path), " › ");
  }
  row.append(owner);
  return row;
}

function verdict(node: Node): HTMLElement | null {
  const check = node.check;
  if (!check) return null;
  const words = check.status === "right" ? say(W.right, { error: number(real(check.error)) })
    : check.status === "wrong" ? say(W.wrong) : tell(check.text);
  return el("p", { class: `verdict ${check.status}` },
    `${check.status === "right" ? "✓" : check.status === "wrong" ? "✗" : "·"} ${words}`);
}

function outputs(node: Node): HTMLElement | null {
  if (node.outputs.length < 2) return null;
  const row = el("div", { class: "outputs" }, el("span", { class: "hint" }, say(W.output)));
  node.outputs.forEach((out, k) => {
    row.append(el("button", {
      type: "button", "aria-pressed": k === state.output ? "true" : "false",
      click: () => {
        state.output = k;
        show();
      },
    }, out.name));
  });
  return row;
}

/** A composite unfolds; that both views of it agree is said with the numbers. */
function levels(node: Node): HTMLElement | null {
  const group = groups.get(node.id);
  const apart = page.agreement[node.id];
  if (!apart) return null;
  if (!group) return el("p", { class: "hint" }, say(W.tooMany, { id: node.id }));
  const [values, gradients] = [number(real(apart.values)), number(real(apart.gradients))];
  const said = say(W.agree, { n: apart.steps ?? 0, values, gradients });
  return el("div", { class: "levels" }, foldButton(group), el("p", { class: "hint" }, said));
}

const foldButton = (group: Group): HTMLElement =>
  el("button", { type: "button", click: () => fold(group, !group.folded) },
    say(group.folded ? W.unfold : W.fold));

function nodePanel(node: Node): (HTMLElement | null)[] {
  const kind = el("span", { class: `badge ${node.kind}` }, say(W[node.kind]));
  const composite = node.composite ? el("span", { class: "badge" }, say(W.composite)) : null;
  const made = el("span", {});
  edgesTo(node.id).forEach((edge, i) => made.append(i ? ", " : "", link(edge.from)));
  const used = el("span", {});
  edgesFrom(node.id).forEach((edge, i) => used.append(i ? ", " : "", link(edge.to)));
  const settings = Object.entries(node.params).map(([key, value]) => `${key}=${value}`).join(", ");
  return [
    trail(around(groupAround(node.id)), nameOf(node.id)),
    el("h2", {}, node.title, kind, composite),
    node.summary ? el("p", { class: "hint" }, tell(node.summary)) : null,
    verdict(node),
    levels(node),
    facts([
      [W.module, node.module ? `${node.module}${node.module_type ? ` · ${node.module_type}` : ""}` : null],
      [W.settings, settings],
      [W.madeFrom, made.childNodes.length ? made : null],
      [W.usedBy, used.childNodes.length ? used : null],
    ]),
    outputs(node),
    ...tabs(node),
  ];
}

function groupPanel(group: Group): (HTMLElement | null)[] {
  const operations = group.all.filter((node) => node.kind === "operation").length;
  const parameters = parametersIn(group);
  const norm = parameterGradient(group);
  const list = el("ul", { class: "contents" });
  for (const node of group.all.slice(0, 200)) {
    list.append(el("li", {}, link(node.id), " ",
      el("span", { class: "hint" }, node.formula ? tell(node.formula.text) : shapeOf(node.outputs[0]?.shape ?? []))));
  }
  return [
    trail(around(group).slice(1), group.name),
    el("h2", {}, group.name || group.path, el("span", { class: "badge" }, group.type || say(W.module))),
    facts([
      [W.module, group.path],
      [W.contains, `${say(operations === 1 ? W.oneOperation : W.operations, { n: operations })}, ${
        say(W.parameters, { n: parameters.toLocaleString("en-US") })}`],
      [W.gradient, norm === null ? null : say(W.carries, { norm: number(norm) })],
    ]),
    foldButton(group),
    el("h3", {}, say(W.contains)), list,
  ];
}

export function show(): void {
  const focused = panel.contains(document.activeElement) ? document.activeElement?.id : "";
  const scrolled = panel.dataset["id"] === state.chosen ? panel.scrollTop : 0;
  panel.dataset["id"] = state.chosen;
  entryBox = null;
  squares = [];
  const node = nodes.get(state.chosen);
  const group = groups.get(state.chosen);
  const parts = node ? nodePanel(node) : group ? groupPanel(group) : [];
  panel.replaceChildren(...parts.filter((part) => part !== null));
  panel.dataset["phase"] = stepNow()?.phase ?? "overview";
  showEntry();
  panel.scrollTop = scrolled;
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

export function inspector(): HTMLElement {
  told(panel, () => {
    panel.setAttribute("aria-label", say(W.inspector));
    show();
  });
  on("chosen", show);
  on("tab", show);
  on("folded", show);
  on("entry", showEntry);
  return panel;
}
