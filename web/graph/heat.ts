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

/** The largest finite size in the preview: it has the full colour. */
export function scaleOf(picture: Picture): number {
  let most = 0;
  for (const row of picture.preview.data) {
    for (const cell of row) {
      const value = Math.abs(real(cell) ?? 0);
      if (Number.isFinite(value) && value > most) most = value;
    }
  }
  return most;
}

function colourOf(value: number | null, most: number, dark: boolean): Rgb {
  const { zero, low, high, none } = dark ? DARK : LIGHT;
  if (value === null || Number.isNaN(value)) return none;
  const share = most ? Math.min(1, Math.abs(value) / most) : 0;
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
  const [most, dark] = [scaleOf(picture), isDark()];
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      const [red, green, blue] = colourOf(real(data[r]?.[c]), most, dark);
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

/** A small picture of fixed size. */
export function thumbnail(picture: Picture, side: number, kind: string): HTMLCanvasElement {
  const canvas = el("canvas", { class: `thumb ${kind}`, "aria-hidden": "true" });
  const [width, height] = fitted(picture, side, side);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  paint(canvas, picture);
  return canvas;
}

/** The cell of a picture under the pointer. */
export function cellUnder(
  canvas: HTMLCanvasElement, event: MouseEvent,
): { row: number; column: number } | null {
  const box = canvas.getBoundingClientRect();
  const column = Math.floor(((event.clientX - box.left) / box.width) * canvas.width);
  const row = Math.floor(((event.clientY - box.top) / box.height) * canvas.height);
  if (row < 0 || column < 0 || row >= canvas.height || column >= canvas.width) return null;
  return { row, column };
}
