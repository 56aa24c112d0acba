// The image with its layers. All boxes are drawn in the pixels of the batch.

import { el } from "../shared/dom";
import { say, told } from "../shared/words";
import { number } from "../shared/format";
import { className, found, inner, page, type Box, type Boxes } from "./data";
import { chosen, go, on, state, type Layer } from "./state";
import { W } from "./words";

const NAMESPACE = "http://www.w3.org/2000/svg";

function svg(tag: string, properties: Record<string, string | number> = {}, ...children: Node[]): SVGElement {
  const element = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(properties)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

const [height, width] = found.image.size;
const margin = 0.04 * Math.max(width, height);
const enlarged = width >= 2 * found.image.width || found.image.width <= 320;
const round = (value: number): number => Math.round(value * 100) / 100;

/** Rectangles as one path: there may be thousands. */
const outline = ([x1, y1, x2, y2]: Box): string =>
  `M${round(x1)} ${round(y1)}H${round(x2)}V${round(y2)}H${round(x1)}Z`;
const path = (kind: string, boxes: Box[]): SVGElement =>
  svg("path", { class: kind, d: boxes.map(outline).join("") });
const dots = (kind: string, points: [number, number][]): SVGElement =>
  svg("path", { class: `dots ${kind}`, d: points.map(([x, y]) => `M${round(x)} ${round(y)}h0`).join("") });

const picture = svg("image", {
  href: page.picture, x: 0, y: 0, width, height, preserveAspectRatio: "none",
  class: enlarged ? "pixels" : "",
});
const groups = new Map<string, SVGElement>();
for (const name of ["proposals", "struck", "objects", "boxes", "anchors", "region", "mine", "pointed"]) {
  groups.set(name, svg("g", { class: `layer ${name}` }));
}
const drawing = svg("svg", {
  viewBox: `${-margin} ${-margin} ${width + 2 * margin} ${height + 2 * margin}`, class: "drawing",
  role: "img",
}, svg("rect", { class: "paper", x: 0, y: 0, width, height }), picture, ...groups.values());
const tip = el("div", { class: "tip card", hidden: true });
export const image = el("div", { class: "image" }, tip);
image.prepend(drawing);

const fill = (name: string, ...children: Node[]): void => groups.get(name)?.replaceChildren(...children);

/** A box with what it is called beside it. */
function named(box: Box, text: string, kind: string): SVGElement[] {
  const size = Math.max(width, height) / 42;
  const y = box[1] > size * 1.4 ? box[1] - size * 0.35 : Math.min(box[3] + size * 1.1, height);
  const words = svg("text", { class: kind, x: round(box[0]), y: round(y), "font-size": round(size) });
  words.textContent = text;
  return [path(kind, [box]), words];
}

// ---- layers that are the same for every detection -----------------------------------------------

const BANDS = 5;
const SURE = 0.5;

function rowsOf(boxes: Boxes, wanted: string[]): number[] {
  return boxes.state.flatMap((each, k) => (wanted.includes(each) ? [k] : []));
}

const boxesOf = (boxes: Boxes, rows: number[]): Box[] => rows.map((k) => boxes.box[k] as Box);

function drawProposals(): void {
  const rows = rowsOf(found.first, ["passed"])
    .sort((a, b) => (found.first.score[a] ?? 0) - (found.first.score[b] ?? 0));
  const bands = Array.from({ length: BANDS }, (_, k) =>
    rows.slice(Math.floor((k * rows.length) / BANDS), Math.floor(((k + 1) * rows.length) / BANDS)));
  fill("proposals", ...bands.map((band, k) => path(`band${k}`, boxesOf(found.first, band))));
}

/** The suppression that the stage is about: the last one from the second stage on. */
const late = (): boolean => ["class", "refine", "selection", "final"].includes(state.stage);

function drawStruck(): void {
  const boxes: Boxes = late() ? found.second : found.first;
  const me = chosen();
  const mine = state.stage === "overview" || !me ? -1 : late() ? me.second : me.first;
  // Only boxes of one map, or of one class, strike each other out.
  const group = mine >= 0 ? boxes.group[mine] : null;
  const rows = rowsOf(boxes, ["struck"]).filter((k) => group === null || boxes.group[k] === group);
  fill("struck", path("others", boxesOf(boxes, rows.filter((k) => boxes.by[k] !== mine))),
    path("ours", boxesOf(boxes, rows.filter((k) => boxes.by[k] === mine))));
}

function drawBoxes(): void {
  fill("boxes", ...found.detections.flatMap((each, k) => {
    if (k === state.box && state.stage !== "overview") return [];
    // Doubtful ones would hide the others with their names.
    if (each.score < SURE) return [path(`doubtful c${each.label % 6}`, [inner(each)])];
    return named(inner(each), `${k} ${className(each.label)}`, `c${each.label % 6}`);
  }).reverse());
  fill("objects", ...(found.objects ?? []).map((each) => path("object", [each.box])));
}

function drawAnchors(): void {
  const level = found.levels[state.level];
  if (!level) return;
  const centres: [number, number][] = [];
  for (let row = 0; row < level.rows; row++) {
    for (let column = 0; column < level.columns; column++) {
      centres.push([column * level.strides[1], row * level.strides[0]]);
    }
  }
  const inside = centres.filter(([x, y]) => x <= width + margin && y <= height + margin);
  const me = chosen();
  const at = me && me.level === state.level ? me.place
    : [Math.floor(level.rows / 2), Math.floor(level.columns / 2)] as const;
  const [x, y] = [at[1] * level.strides[1], at[0] * level.strides[0]];
  const here = level.cell.map(([x1, y1, x2, y2]) => [x + x1, y + y1, x + x2, y + y2] as Box);
  fill("anchors", dots("grid", inside), path("cell", here), dots("centre", [[x, y]]));
}

// ---- what belongs to the chosen detection -------------------------------------------------------

function drawRegion(): void {
  const region = chosen()?.region;
  if (!region) return fill("region");
  const { down, across, scale, bins: [rows, columns], box: [x1, y1] } = region;
  const [tall, wide] = [down.step / scale, across.step / scale];
  const cell = (row: number, column: number): Box =>
    [x1 + column * wide, y1 + row * tall, x1 + (column + 1) * wide, y1 + (row + 1) * tall];
  const all: Box[] = [];
  for (let row = 0; row < rows; row++) for (let column = 0; column < columns; column++) all.push(cell(row, column));
  const points = (ys: number[], xs: number[]): [number, number][] =>
    ys.flatMap((y) => xs.map((x) => [x / scale, y / scale] as [number, number]));
  const of = (axis: number[], bin: number, n: number): number[] => {
    const each = axis.length / n;
    return axis.slice(bin * each, (bin + 1) * each);
  };
  const [row, column] = state.bin;
  const near = (axis: typeof down, bin: number, n: number): number[] => {
    const each = axis.taps.length / n;
    return [...new Set(axis.taps.slice(bin * each, (bin + 1) * each).flat())];
  };
  fill("region", path("bin", all), dots("sample", points(down.places, across.places)), path("bin now", [cell(row, column)]),
    dots("tap", points(near(down, row, rows), near(across, column, columns))),
    dots("sample now", points(of(down.places, row, rows), of(across.places, column, columns))));
}

function drawMine(): void {
  const me = chosen();
  if (!me || state.stage === "overview") return fill("mine");
  const proposal = found.first.box[me.first] as Box;
  const last = inner(me);
  const shown: Record<string, SVGElement[]> = {
    anchor: [path("start", [me.anchor])],
    score: [path("start", [me.anchor])],
    decode: [path("start", [me.anchor]), arrow(me.anchor, proposal), path("result", [proposal])],
    suppression: [path("result", [proposal])],
    region: [path("result", [proposal])],
    class: [path("result", [proposal])],
    refine: [path("start", [proposal]), arrow(proposal, last), path("result", [last])],
    selection: [path("result", [last])],
    final: named(last, `${state.box} ${className(me.label)} ${me.score.toFixed(3)}`, "result"),
  };
  fill("mine", ...(shown[state.stage] ?? []));
}

/** From the centre of one box to that of another. */
function arrow(from: Box, to: Box): SVGElement {
  const [ax, ay, bx, by] = [(from[0] + from[2]) / 2, (from[1] + from[3]) / 2, (to[0] + to[2]) / 2, (to[1] + to[3]) / 2];
  return svg("g", {}, svg("path", { class: "shift", d: `M${round(ax)} ${round(ay)}L${round(bx)} ${round(by)}` }),
    dots("from", [[ax, ay]]), dots("to", [[bx, by]]));
}

// ---- pointing -----------------------------------------------------------------------------------

const contains = ([x1, y1, x2, y2]: Box, x: number, y: number): boolean => x >= x1 && x <= x2 && y >= y1 && y <= y2;
const area = ([x1, y1, x2, y2]: Box): number => (x2 - x1) * (y2 - y1);

/** The smallest of some boxes that a point is in. */
function smallest(boxes: Boxes, rows: number[], x: number, y: number): number {
  let best = -1;
  for (const k of rows) {
    const box = boxes.box[k] as Box;
    if (contains(box, x, y) && (best < 0 || area(box) < area(boxes.box[best] as Box))) best = k;
  }
  return best;
}

function placeOf(event: MouseEvent): [number, number] {
  const matrix = (drawing as SVGSVGElement).getScreenCTM()?.inverse();
  const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix);
  return [point.x, point.y];
}

function describe(boxes: Boxes, k: number): string {
  const p = number(boxes.score[k]);
  const head = boxes === found.second ? say(W.tipSecond, { name: className(boxes.group[k] ?? 0), p })
    : say(W.tipFirst, { k, name: found.levels[boxes.group[k] ?? 0]?.name ?? "", p });
  const fate = boxes.state[k] ?? "unfit";
  const by = boxes.by[k] ?? -1;
  const judged = boxes === found.second ? found.detections.findIndex((each) => each.second === by) : by;
  const rest = fate === "struck"
    ? say(W.struckBy, { by: judged >= 0 ? judged : "–", iou: (boxes.iou[k] ?? 0).toFixed(2) })
    : say(W[fate]);
  return `${head} · ${rest}`;
}

function point(boxes: Boxes, k: number): void {
  const by = boxes.by[k] ?? -1;
  fill("pointed", ...(by >= 0 ? [path("judge", [boxes.box[by] as Box])] : []), path("target", [boxes.box[k] as Box]));
}

function hover(event: PointerEvent): void {
  const [x, y] = placeOf(event);
  const boxes: Boxes = late() ? found.second : found.first;
  const wanted = [...(state.layers.has("proposals") ? ["passed"] : []), ...(state.layers.has("struck") ? ["struck"] : [])];
  const k = wanted.length ? smallest(boxes, rowsOf(boxes, wanted), x, y) : -1;
  tip.hidden = k < 0;
  if (k < 0) return showFocus();
  point(boxes, k);
  tip.textContent = describe(boxes, k);
  const frame = image.getBoundingClientRect();
  tip.style.left = `${Math.min(event.clientX - frame.left + 14, frame.width - tip.offsetWidth - 4)}px`;
  tip.style.top = `${Math.min(event.clientY - frame.top + 16, frame.height - tip.offsetHeight - 4)}px`;
}

function showFocus(): void {
  if (state.focus >= 0) point(found.first, state.focus);
  else fill("pointed");
}

function pick(event: MouseEvent): void {
  const [x, y] = placeOf(event);
  let best = -1;
  found.detections.forEach((each, k) => {
    const box = inner(each);
    if (contains(box, x, y) && (best < 0 || area(box) < area(inner(found.detections[best] as typeof each)))) best = k;
  });
  if (best >= 0) go(state.stage, best);
}

// ---- all together -------------------------------------------------------------------------------

function show(): void {
  for (const name of ["anchors", "proposals", "struck", "region", "boxes", "objects"] as Layer[]) {
    groups.get(name)?.classList.toggle("off", !state.layers.has(name));
  }
  drawing.dataset["stage"] = state.stage;
  drawStruck();
  drawBoxes();
  drawAnchors();
  drawRegion();
  drawMine();
  showFocus();
  tip.hidden = true;
}

export function start(): void {
  drawProposals();
  told(drawing, () => {
    drawing.setAttribute("aria-label", say(W.image));
    show();
  });
  on("stage", show);
  on("layers", show);
  on("bin", drawRegion);
  on("focus", showFocus);
  image.addEventListener("pointermove", hover);
  image.addEventListener("pointerleave", () => {
    tip.hidden = true;
    showFocus();
  });
  image.addEventListener("click", pick);
}
