// One entry in words and formulas: where it is, what it is, and the numbers put in.

import { el } from "../shared/dom";
import { number } from "../shared/format";
import { say } from "../shared/words";
import { cellAt, cellsOf, explanation, nodes, page, real } from "./data";
import { gradientLine, updateLine, valueLine } from "./formulas";
import { W } from "./words";

/** The step of the update that is shown; the reader may change it. */
export const update = { rate: 0.1 };

/** Whether an optimiser says what the update is. */
export const optimised = (): boolean => Object.keys(page.updates).length > 0;

/** The lines of one entry: its place, its numbers, and how value and gradient come about. */
export function entryLines(id: string, row: number, column: number, rated: boolean): HTMLElement[] {
  const cell = cellAt(id, row, column);
  const node = nodes.get(id);
  if (!cell || !node) return [];
  const [, , place, value, gradient] = cell;
  const out: HTMLElement[] = [];
  const head = el("p", { class: "place" },
    el("b", {}, place.length ? say(W.entry, { place: `[${place.join(", ")}]` }) : say(W.theNumber)));
  const picture = node.outputs[0]?.value;
  const shown = real(picture?.preview.data[row]?.[column]);
  const own = real(value);
  if (shown !== null && own !== null && Math.abs(shown - own) > 1e-2 * Math.abs(own)) {
    head.append(el("span", { class: "hint" }, ` ${say(W.block, { mean: number(shown) })}`));
  }
  out.push(head);
  const more = say(W.more);
  const numbers = el("dl", { class: "two" });
  for (const [words, x] of [[W.value, value], [W.gradient, gradient]] as const) {
    if (x !== null) numbers.append(el("dt", {}, say(words)), el("dd", {}, number(real(x))));
  }
  out.push(numbers);
  const template = cellsOf(id)?.template ?? null;
  for (const line of [valueLine(id, cell, template, more), gradientLine(id, cell, more)]) {
    if (line) out.push(el("p", { class: "put" }, line));
  }
  if (rated && node.kind === "parameter" && !optimised()) {
    const line = updateLine(id, cell, update.rate);
    if (line) {
      out.push(el("p", { class: "hint" }, say(W.oneUpdate)), el("p", { class: "put" }, line));
    }
  }
  if (cell[6] === null && gradient !== null && id !== explanation.output) {
    out.push(el("p", { class: "hint" }, say(W.notRepeated)));
  }
  return out;
}

/** The cell that is worked where none is pointed at: the one with the largest gradient. */
export function firstCell(id: string): { row: number; column: number } | null {
  const cell = cellsOf(id)?.cells[0];
  return cell ? { row: cell[0], column: cell[1] } : null;
}
