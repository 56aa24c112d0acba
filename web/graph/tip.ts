// What is under the pointer: the numbers of one entry, beside the picture.

import { el } from "../shared/dom";
import { entryLines } from "./entry";

const tip = el("div", { class: "tip card", role: "tooltip", hidden: true });
let shown = "";

export function showTip(id: string, row: number, column: number, beside: Element): void {
  const key = `${id}/${row}/${column}`;
  if (key !== shown) {
    const lines = entryLines(id, row, column, false);
    if (!lines.length) {
      hideTip();
      return;
    }
    shown = key;
    tip.replaceChildren(...lines);
  }
  if (!tip.isConnected) document.body.append(tip);
  tip.hidden = false;
  const box = beside.getBoundingClientRect();
  const [width, height] = [tip.offsetWidth, tip.offsetHeight];
  const right = box.right + 12 + width < innerWidth;
  tip.style.left = `${Math.max(8, right ? box.right + 12 : box.left - 12 - width)}px`;
  tip.style.top = `${Math.max(8, Math.min(box.top - 8, innerHeight - height - 8))}px`;
}

export function hideTip(): void {
  shown = "";
  tip.hidden = true;
}
