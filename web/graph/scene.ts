// The drawing: cards and wires in a plane that can be moved and enlarged.

import { el } from "../shared/dom";
import { number } from "../shared/format";
import { say, told } from "../shared/words";
import { fill, shell, squeeze } from "./cards";
import { edgesFrom, edgesTo, explanation, nodes, real, shapeOf, type Step } from "./data";
import { layout, type Drawing, type Item, type Point, type Wire } from "./layout";
import { choose, fold, groups, on, play, state, stepNow } from "./state";
import { groupAround, shownFor } from "./tree";
import { W } from "./words";

const SVG = "http://www.w3.org/2000/svg";
/** Cards beyond the edge of the window that are filled already. */
const MARGIN = 300;
/** With more items than this, changes are not animated. */
const CALM = 140;
const LEAST = 0.08;
const FAR = 0.42;

const view = { x: 0, y: 0, scale: 1 };
const cards = new Map<string, HTMLElement>();
const lines = new Map<string, SVGPathElement>();
const filled = new Set<string>();
let drawing: Drawing = { width: 0, height: 0, items: [], wires: [] };
let items = new Map<string, Item>();

const wiresLayer = document.createElementNS(SVG, "svg");
wiresLayer.setAttribute("class", "wires");
wiresLayer.setAttribute("aria-hidden", "true");
const world = el("div", { class: "world" }, wiresLayer);
export const canvas = el("div", { class: "scene", role: "group" }, world);

// ---- wires --------------------------------------------------------------------------------------

const norms = explanation.edges
  .map((edge) => real(edge.gradient_norm))
  .filter((norm): norm is number => norm !== null && norm > 0 && Number.isFinite(norm));
export const range = {
  low: norms.reduce((a, b) => Math.min(a, b), Infinity),
  high: norms.reduce((a, b) => Math.max(a, b), 0),
};

/** Width by the logarithm of the norm: 1.5 for the smallest gradient of the graph, 9 for the largest. */
export function widthOf(norm: number | null): number {
  if (norm === null) return 1.2;
  if (!(norm > 0)) return 1.5;
  const span = Math.log10(range.high / range.low) || 1;
  const share = Math.log10(norm / range.low) / span;
  return 1.5 + 7.5 * Math.max(0, Math.min(1, share));
}

function path(points: Point[]): string {
  const [first, ...rest] = points;
  if (!first) return "";
  let [d, before] = [`M${first.x.toFixed(1)},${first.y.toFixed(1)}`, first];
  for (const point of rest) {
    const middle = (before.y + point.y) / 2;
    d += `C${before.x.toFixed(1)},${middle.toFixed(1)} ${point.x.toFixed(1)},${middle.toFixed(1)} ${
      point.x.toFixed(1)},${point.y.toFixed(1)}`;
    before = point;
  }
  return d;
}

function drawWire(wire: Wire): void {
  let line = lines.get(wire.id);
  if (!line) {
    line = document.createElementNS(SVG, "path");
    line.append(document.createElementNS(SVG, "title"));
    lines.set(wire.id, line);
    wiresLayer.append(line);
  }
  line.setAttribute("d", path(wire.points));
  line.setAttribute("class", wire.norm === null ? "wire none" : "wire");
  line.style.strokeWidth = `${widthOf(wire.norm)}`;
  const edge = wire.edges[0];
  const carried = wire.norm === null ? say(W.legendNone) : say(W.carries, { norm: number(wire.norm) });
  line.firstElementChild!.textContent = `${edge?.shape ? `${shapeOf(edge.shape)} · ` : ""}${carried}`;
}

// ---- drawing -------------------------------------------------------------------------------------

/** Lays out and draws; the item `anchor` stays where it is on the screen. */
export function redraw(anchor: string | null = null): void {
  const before = anchor === null ? null : items.get(anchor);
  const was = before && onScreen(before);
  drawing = layout();
  items = new Map(drawing.items.map((item) => [item.id, item]));
  wiresLayer.setAttribute("width", String(drawing.width));
  wiresLayer.setAttribute("height", String(drawing.height));
  world.classList.toggle("calm", items.size > CALM);
  for (const [id, card] of cards) {
    const item = items.get(id);
    if (item && card.classList.contains("box") === item.box) continue;
    card.remove();
    cards.delete(id);
    filled.delete(id);
  }
  for (const item of drawing.items) {
    let card = cards.get(item.id);
    if (!card) {
      card = shell(item);
      cards.set(item.id, card);
      world.append(card);
    }
    card.style.transform = `translate(${item.x}px, ${item.y}px)`;
    card.style.width = `${item.width}px`;
    card.style.height = `${item.height}px`;
  }
  const present = new Set(drawing.wires.map((wire) => wire.id));
  for (const [id, line] of lines) {
    if (present.has(id)) continue;
    line.remove();
    lines.delete(id);
  }
  drawing.wires.forEach(drawWire);
  const after = anchor === null ? null : items.get(anchor);
  if (was && after) {
    const wider = ((after.width - before.width) / 2) * view.scale;
    view.x += was.x - onScreen(after).x - wider;
    view.y += was.y - onScreen(after).y;
  }
  move();
  showFilm();
  showChosen();
}

const onScreen = (item: Item): Point => ({
  x: item.x * view.scale + view.x, y: item.y * view.scale + view.y,
});

let waiting = false;
function move(): void {
  world.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
  world.classList.toggle("far", view.scale < FAR);
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    fillSeen();
  });
}

function fillSeen(): void {
  const { clientWidth, clientHeight } = canvas;
  const fresh: HTMLElement[] = [];
  for (const item of drawing.items) {
    if (filled.has(item.id)) continue;
    const { x, y } = onScreen(item);
    if (x > clientWidth + MARGIN || y > clientHeight + MARGIN) continue;
    if (x + item.width * view.scale < -MARGIN || y + item.height * view.scale < -MARGIN) continue;
    const card = cards.get(item.id);
    if (!card) continue;
    fill(card, item);
    filled.add(item.id);
    fresh.push(card);
  }
  if (fresh.length) squeeze(fresh);
}

/** Draws the contents of all cards anew: language or brightness changed. */
export function refill(): void {
  filled.clear();
  drawing.wires.forEach(drawWire);
  fillSeen();
  showFilm();
}

// ---- the view ------------------------------------------------------------------------------------

export function zoom(factor: number, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2): void {
  const scale = Math.max(LEAST, Math.min(2.5, view.scale * factor));
  view.x = x - ((x - view.x) * scale) / view.scale;
  view.y = y - ((y - view.y) * scale) / view.scale;
  view.scale = scale;
  move();
}

/** The whole drawing; `readable`: not smaller than can be read, with the start of it on top. */
export function fit(readable = false): void {
  const { clientWidth, clientHeight } = canvas;
  const wide = (clientWidth - 24) / drawing.width;
  const whole = Math.min(wide, (clientHeight - 24) / drawing.height, 1.15);
  view.scale = Math.max(LEAST, readable ? Math.max(whole, Math.min(wide, 0.8)) : whole);
  view.x = (clientWidth - drawing.width * view.scale) / 2;
  view.y = Math.max(8, (clientHeight - drawing.height * view.scale) / 2);
  glide();
  move();
}

/** Moves an item into the window if it is not well inside. */
export function bringIn(id: string, centred = false): void {
  const item = items.get(shownFor(id)) ?? items.get(id);
  if (!item) return;
  const { x, y } = onScreen(item);
  const [width, height] = [item.width * view.scale, item.box ? 40 : item.height * view.scale];
  const { clientWidth, clientHeight } = canvas;
  const inside = x > 10 && y > 10 && x + width < clientWidth - 10 && y + height < clientHeight - 10;
  if (inside && !centred) return;
  view.x += clientWidth / 2 - (x + width / 2);
  view.y += clientHeight / 2 - (y + height / 2);
  glide();
  move();
}

let gliding = 0;
function glide(): void {
  world.classList.add("glide");
  clearTimeout(gliding);
  gliding = window.setTimeout(() => world.classList.remove("glide"), 350);
}

// ---- what is chosen, and the film ----------------------------------------------------------------

function showChosen(): void {
  const shown = items.has(state.chosen) ? state.chosen : shownFor(state.chosen);
  const own = nodes.has(state.chosen) ? state.chosen : null;
  for (const [id, card] of cards) {
    card.classList.toggle("chosen", id === shown);
    card.tabIndex = id === shown ? 0 : -1;
  }
  for (const wire of drawing.wires) {
    const near = own !== null && wire.edges.some((edge) => edge.from === own || edge.to === own);
    lines.get(wire.id)?.classList.toggle("near", near);
  }
}

/** When what happens to a node; to an unfolded composite, when the last of its steps has. */
const order = new Map<string, Record<string, number>>();
let ordered: Step[] | null = null;

function learnOrder(): void {
  if (ordered === play) return;
  ordered = play;
  order.clear();
  const put = (id: string, phase: string, at: number): void => {
    order.set(id, { ...order.get(id), [phase]: at });
  };
  play.forEach((step, i) => {
    put(step.node, step.phase, i + 1);
    const whole = nodes.get(step.node)?.parent?.id;
    if (whole !== undefined) put(whole, step.phase, i + 1);
  });
}
const happened = (id: string, phase: string): boolean =>
  (order.get(id)?.[phase] ?? Infinity) <= state.step;

/** What each item has behind it at the step of the film that is shown. */
function showFilm(): void {
  learnOrder();
  const now = stepNow();
  world.dataset["phase"] = now?.phase ?? "overview";
  const current = now ? shownFor(now.node) : "";
  for (const item of drawing.items) {
    const card = cards.get(item.id);
    if (!card) continue;
    const all = item.node ? [item.node] : (item.group?.all ?? []);
    const operations = all.filter((node) => node.kind === "operation");
    const computed = !now || !operations.length || operations.some((n) => happened(n.id, "forward"));
    card.classList.toggle("later", !computed);
    card.classList.toggle("ungraded", now !== null && !all.some((n) => happened(n.id, "backward")));
    card.classList.toggle("updated", now !== null && all.some((n) => happened(n.id, "update")));
    card.classList.toggle("now", item.id === current);
  }
  for (const wire of drawing.wires) {
    const line = lines.get(wire.id);
    if (!line) continue;
    const flown = wire.norm !== null
      && wire.edges.some((edge) => !now || happened(edge.to, "backward"));
    const here = now?.phase === "backward" && wire.norm !== null
      && wire.edges.some((edge) => edge.to === now.node);
    const going = now?.phase === "forward" && wire.edges.some((edge) => edge.to === now.node);
    line.classList.toggle("flown", flown);
    line.classList.toggle("back", here);
    line.classList.toggle("ahead", going);
  }
}

// ---- hands ---------------------------------------------------------------------------------------

function hands(): void {
  let held: { x: number; y: number; moved: boolean } | null = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button === 0) held = { x: event.clientX, y: event.clientY, moved: false };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!held) return;
    const [dx, dy] = [event.clientX - held.x, event.clientY - held.y];
    if (!held.moved && Math.hypot(dx, dy) < 4) return;
    if (!held.moved) canvas.setPointerCapture(event.pointerId);
    held = { x: event.clientX, y: event.clientY, moved: true };
    view.x += dx;
    view.y += dy;
    move();
  });
  const release = (): void => {
    held = null;
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (event.ctrlKey || event.metaKey) {
      const box = canvas.getBoundingClientRect();
      zoom(Math.exp(-event.deltaY / 300), event.clientX - box.left, event.clientY - box.top);
    } else {
      view.x -= event.shiftKey ? event.deltaY : event.deltaX;
      view.y -= event.shiftKey ? 0 : event.deltaY;
      move();
    }
  }, { passive: false });
}

/** To a neighbour of the chosen node: what it is made from (up), or what uses it (down). */
export function neighbour(up: boolean): void {
  const group = groups.get(state.chosen);
  const own = group && !group.node ? (up ? group.all[0] : group.all[group.all.length - 1])?.id : state.chosen;
  if (own === undefined) return;
  const edges = up ? edgesTo(own) : edgesFrom(own);
  const next = edges.map((edge) => shownFor(up ? edge.from : edge.to)).find((id) => id !== state.chosen);
  if (next !== undefined) choose(next);
}

/** Folds the group around the chosen item, or unfolds the chosen one. */
export function toggle(): void {
  const group = groups.get(state.chosen)
    ?? groups.get(shownFor(state.chosen)) ?? groupAround(state.chosen);
  if (!groups.has(group.id)) return;
  if (!group.folded) choose(group.id);
  fold(group, !group.folded);
}

export function start(): void {
  told(canvas, () => canvas.setAttribute("aria-label", say(W.graph)));
  hands();
  redraw();
  fit(true);
  on("folded", () => redraw(state.anchor ?? shownFor(state.chosen)));
  on("chosen", () => {
    showChosen();
    bringIn(state.chosen);
    if (canvas.contains(document.activeElement)) {
      const shown = items.has(state.chosen) ? state.chosen : shownFor(state.chosen);
      cards.get(shown)?.focus({ preventScroll: true });
    }
  });
  on("step", showFilm);
}
