// The cards of nodes and folded groups, and the frames of unfolded groups.

import { el } from "../shared/dom";
import { number } from "../shared/format";
import { say } from "../shared/words";
import { nodes, real, shapeOf, tell, type Node, type Picture } from "./data";
import { formula } from "./formulas";
import { cellUnder, thumbnail } from "./heat";
import type { Item } from "./layout";
import { PICTURE } from "./sizes";
import { choose, fold, groups } from "./state";
import { hideTip, showTip } from "./tip";
import { labelOf, parameterGradient, parametersIn, resultOf, titleOf, type Group } from "./tree";
import { W } from "./words";

const shapeText = (shape: number[] | undefined): string =>
  shape === undefined ? "" : shape.length ? shapeOf(shape) : say(W.scalar);

function pictures(
  id: string, value: Picture | null, gradient: Picture | null, both = true,
): HTMLElement {
  const box = el("span", { class: "pictures" });
  for (const [kind, picture] of [["value", value], ["gradient", gradient]] as const) {
    if (kind === "gradient" && !both) break;
    const frame = el("span", { class: `frame ${kind}` });
    if (picture) {
      const image = thumbnail(picture, PICTURE, kind);
      image.addEventListener("pointermove", (event) => {
        const at = event.buttons ? null : cellUnder(image, picture, event);
        if (at) showTip(id, at.row, at.column, image.closest(".item") ?? image);
        else hideTip();
      });
      image.addEventListener("pointerleave", hideTip);
      frame.append(image);
    }
    box.append(frame);
  }
  return box;
}

function mark(node: Node): HTMLElement | null {
  const status = node.check?.status;
  if (status === "right") return el("span", { class: "mark right" }, "✓");
  return status === "wrong" ? el("span", { class: "mark wrong" }, "✗") : null;
}

function fillNode(card: HTMLElement, node: Node): void {
  const out = node.outputs[0];
  const name = node.kind === "operation" && node.name
    ? el("span", { class: "given" }, node.name) : null;
  const own = node.kind === "operation" ? el("span", { class: "id" }, node.id) : null;
  const text = el("span", { class: "words" },
    el("span", { class: "title" }, el("b", {}, titleOf(node)), name, own, mark(node)),
    node.formula ? el("span", { class: "formula" }, formula(node.formula)) : null,
    el("span", { class: "shape" }, shapeText(out?.shape)));
  card.append(text, pictures(node.id, out?.value ?? null, out?.gradient ?? null, node.kind !== "input"));
}

/** What unfolds a folded group, or folds an unfolded one. */
function folder(group: Group): HTMLElement {
  const folded = group.folded;
  return el("button", {
    class: "folder", type: "button", tabindex: -1, "aria-label": say(folded ? W.unfold : W.fold),
    click: (event) => {
      event.stopPropagation();
      fold(group, !folded);
    },
  }, folded ? "+" : "−");
}

function fillGroup(card: HTMLElement, group: Group): void {
  const result = resultOf(group);
  const operations = group.all.filter((node) => node.kind === "operation").length;
  const parameters = parametersIn(group);
  const size = [
    parameters ? say(W.parameters, { n: parameters.toLocaleString("en-US") }) : "",
    shapeText(result?.outputs[0]?.shape),
  ].filter(Boolean).join(" · ");
  const text = el("span", { class: "words" },
    el("span", { class: "title" }, el("b", {}, labelOf(group))),
    el("span", { class: "shape" }, el("span", { class: "given" }, group.type),
      group.type ? " · " : "",
      say(operations === 1 ? W.oneOperation : W.operations, { n: operations })),
    el("span", { class: "shape" }, size));
  const out = result?.outputs[0];
  card.append(text, result
    ? pictures(result.id, out?.value ?? null, out?.gradient ?? null)
    : el("span", { class: "pictures" }));
  card.append(folder(group));
}

/** A card or frame, empty until it is filled. */
export function shell(item: Item): HTMLElement {
  const node = item.node ? `${item.node.kind}${item.group ? " composite" : ""}` : "group";
  const kind = item.box ? (item.node ? "box composite" : "box") : node;
  const card = el("div", {
    class: `item ${kind}`, role: "button", tabindex: -1, "data-id": item.id,
    click: () => choose(item.id),
    dblclick: () => {
      const group = groups.get(item.id);
      if (group) fold(group, !group.folded);
    },
  });
  return card;
}

/** Puts the content in, in the language of the page. */
export function fill(card: HTMLElement, item: Item): void {
  card.replaceChildren();
  const group = groups.get(item.id);
  const node = nodes.get(item.id);
  if (item.box && group) {
    card.append(el("span", { class: "head" }, el("b", {}, group.name || group.path),
      el("span", { class: "given" }, group.type), folder(group)));
    card.setAttribute("aria-label", group.node
      ? `${say(W.composite)} ${group.name} ${group.id}` : `${say(W.module)} ${group.path} ${group.type}`);
  } else if (group && !group.node) {
    fillGroup(card, group);
    const norm = parameterGradient(group);
    card.setAttribute("aria-label", `${say(W.module)} ${group.path} ${group.type}, ${
      norm === null ? "" : say(W.carries, { norm: number(norm) })}`);
  } else if (node) {
    fillNode(card, node);
    if (group) card.append(folder(group));
    const said = node.formula ? tell(node.formula.text) : shapeText(node.outputs[0]?.shape);
    const norm = real(node.gradient_norm);
    card.setAttribute("aria-label", `${say(W[node.kind])} ${node.title}: ${said}${
      norm === null ? "" : `, ${say(W.carries, { norm: number(norm) })}`}`);
  }
}

/** Formulas that are wider than their card become smaller, down to what can be read. */
export function squeeze(cards: Iterable<HTMLElement>): void {
  const found: [HTMLElement, number][] = [];
  for (const card of cards) {
    const line = card.querySelector<HTMLElement>(".formula");
    const inner = line?.firstElementChild as HTMLElement | null;
    if (!line || !inner || !line.clientWidth) continue;
    const wide = Math.max(inner.offsetWidth / line.clientWidth, inner.offsetHeight / 34);
    found.push([line, wide]);
  }
  for (const [line, wide] of found) {
    if (wide > 1) line.style.fontSize = `${Math.max(0.62, 1 / wide)}em`;
    line.classList.toggle("cut", wide > 1 / 0.62);
  }
}
