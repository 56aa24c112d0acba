// How large the cards are: known before they are drawn, for the layout needs it.

import { tell, type Node } from "./data";

export const PICTURE = 40;
const SPACE = 2 * PICTURE + 6 + 10 + 26;

export interface Size { width: number; height: number }

const between = (least: number, x: number, most: number): number =>
  Math.round(Math.min(most, Math.max(least, x)));

export function sizeOfNode(node: Node): Size {
  if (node.kind === "operation") {
    const text = node.formula ? tell(node.formula.text) : "";
    const wide = Math.max(6.4 * text.length, 8 * node.title.length);
    return { width: SPACE + between(120, wide, 250), height: 80 };
  }
  return { width: SPACE + between(64, 7.4 * node.title.length, 190), height: 62 };
}

export const sizeOfGroup = (): Size => ({ width: 264, height: 80 });
