// How large the cards are: known before they are drawn, for the layout needs it.

import { tell, type Node } from "./data";
import { titleOf } from "./tree";

export const PICTURE = 40;
const FRAME = PICTURE + 2;
const PADDING = 26;
const SPACE = 2 * FRAME + 6 + 10 + PADDING;

export interface Size { width: number; height: number }

const between = (least: number, x: number, most: number): number =>
  Math.round(Math.min(most, Math.max(least, x)));

export function sizeOfNode(node: Node): Size {
  if (node.kind === "operation") {
    const text = node.formula ? tell(node.formula.text) : "";
    const name = node.title.length + node.id.length + (node.name?.length ?? 0);
    const wide = Math.max(6.4 * text.length, 8.6 * name + 14);
    return { width: SPACE + between(120, wide, 280), height: 80 };
  }
  // Data have no gradient, so one picture.
  const pictures = node.kind === "input" ? SPACE - FRAME - 6 : SPACE;
  const shape = 6.3 * (node.outputs[0]?.shape.join(", ").length ?? 0) + 12;
  return {
    width: pictures + between(70, Math.max(9.4 * titleOf(node).length, shape), 220), height: 62,
  };
}

export const sizeOfGroup = (): Size => ({ width: 296, height: 80 });
