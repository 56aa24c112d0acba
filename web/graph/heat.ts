// Pictures of arrays: blue is negative, orange positive, the paper zero.

import { el } from "../shared/dom";
import { real, type Picture } from "./data";

type Rgb = readonly [number, number, number];

const LIGHT: { zero: Rgb; low: Rgb; high: Rgb; none: Rgb } = {
  zero: [247, 246, 242], low: [0, 92, 163], high: [206, 80, 0], none: [190, 0, 160],
};
const DARK: typeof LIGHT = {
  zero: [27, 33, 44], low: [96, 182, 242], high: [255, 154, 80], none: [255, 90, 220],
};

export function isDark(): boolean {
  const theme = document.documentElement.dataset["theme"];
  if (theme) return theme === "dark";
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

interface Scale { least: number; most: number }

/** The sizes that have the palest and the full colour. The palest is zero, unless all numbers have
 * one sign: then their differences could hardly be seen. */
function scaleOf(picture: Picture): Scale {
  const finite = picture.preview.data.flat().map(real)
    .filter((x): x is number => x !== null && Number.isFinite(x));
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const most = Math.max(Math.abs(low), Math.abs(high));
  const least = low > 0 ? low : high < 0 ? -high : 0;
  // Of equal numbers, or nearly so, no differences are made up.
  return most - least < 1e-5 * most ? { least: 0, most } : { least: 0.9 * least, most };
}

function colourOf(value: number | null, scale: Scale, dark: boolean): Rgb {
  const { zero, low, high, none } = dark ? DARK : LIGHT;
  if (value === null || Number.isNaN(value)) return none;
  const span = scale.most - scale.least;
  const share = span > 0 ? Math.max(0, Math.min(1, (Math.abs(value) - scale.least) / span)) : 0;
  const end = value < 0 ? low : high;
  const mix = (i: 0 | 1 | 2): number => Math.round(zero[i] + (end[i] - zero[i]) * share ** 0.8);
  return [mix(0), mix(1), mix(2)];
}

/** One pixel for each cell; the style sheet enlarges them. */
export function paint(canvas: HTMLCanvasElement, picture: Picture): void {
  const { rows, columns, data } = picture.preview;
  canvas.width = Math.max(columns, 1);
  canvas.height = Math.max(rows, 1);
  const context = canvas.getContext("2d");
  if (!context || !rows || !columns) return;
  const image = context.createImageData(columns, rows);
  const [scale, dark] = [scaleOf(picture), isDark()];
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      const [red, green, blue] = colourOf(real(data[r]?.[c]), scale, dark);
      image.data.set([red, green, blue, 255], 4 * (r * columns + c));
    }
  }
  context.putImageData(image, 0, 0);
}

/** Width and height that keep cells square within a box; long rows become bars that can be seen. */
export function fitted(picture: Picture, width: number, height: number): [number, number] {
  const { rows, columns } = picture.preview;
  const cell = Math.min(width / Math.max(columns, 1), height / Math.max(rows, 1));
  const least = Math.min(height, width) / 4;
  return [
    Math.min(width, Math.max(cell * columns, least)),
    Math.min(height, Math.max(cell * rows, least)),
  ];
}

const drawing = el("canvas");

/** A small picture of fixed size: an image, for hundreds of canvases make moving slow. */
export function thumbnail(picture: Picture, side: number, kind: string): HTMLImageElement {
  const image = el("img", { class: `thumb ${kind}`, alt: "", decoding: "sync", draggable: "false" });
  const [width, height] = fitted(picture, side, side);
  image.style.width = `${width}px`;
  image.style.height = `${height}px`;
  paint(drawing, picture);
  image.src = drawing.toDataURL();
  return image;
}

/** The cell of a picture under the pointer. */
export function cellUnder(
  shown: HTMLElement, picture: Picture, event: MouseEvent,
): { row: number; column: number } | null {
  const box = shown.getBoundingClientRect();
  const { rows, columns } = picture.preview;
  const column = Math.floor(((event.clientX - box.left) / box.width) * columns);
  const row = Math.floor(((event.clientY - box.top) / box.height) * rows);
  if (row < 0 || column < 0 || row >= rows || column >= columns) return null;
  return { row, column };
}
