// Small pictures from bytes: kernels, samples, histograms.

import { colour, el } from "../shared/dom";
import type { Histogram, Kernels, Picture } from "./store";

// Blue, paper, vermilion, as in the reports: told apart with any usual colour deficiency.
const NEGATIVE = [[250, 248, 244], [138, 188, 224], [28, 106, 176], [6, 38, 84]] as const;
const POSITIVE = [[250, 248, 244], [246, 177, 128], [206, 82, 22], [92, 26, 4]] as const;

function bytes(data: string): Uint8Array {
  return Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
}

/** The colour of a share from −1 to 1. */
function diverging(share: number): [number, number, number] {
  const map = share >= 0 ? POSITIVE : NEGATIVE;
  const place = Math.min(1, Math.abs(share)) * (map.length - 1);
  const low = Math.min(map.length - 2, Math.floor(place));
  const mixed = [0, 1, 2].map((channel) => {
    const [a, b] = [map[low]?.[channel] ?? 0, map[low + 1]?.[channel] ?? 0];
    return Math.round(a + (b - a) * (place - low));
  });
  return mixed as [number, number, number];
}

function canvas(width: number, height: number, label: string): HTMLCanvasElement {
  return el("canvas", { width, height, role: "img", "aria-label": label });
}

/** The colours from −1 to 1. */
export function ramp(): HTMLCanvasElement {
  const picture = canvas(65, 1, "");
  const image = new ImageData(65, 1);
  for (let i = 0; i < 65; i++) image.data.set([...diverging(i / 32 - 1), 255], 4 * i);
  picture.getContext("2d")?.putImageData(image, 0, 0);
  return picture;
}

/** Each kernel's slices side by side. */
export function kernels(of: Kernels, label: (index: number) => string): HTMLCanvasElement[] {
  const [count = 0, slices = 0, height = 0, width = 0] = of.shape;
  const values = new Int8Array(bytes(of.data).buffer);
  const total = slices * (width + 1) - 1;
  const zoom = Math.max(1, Math.min(10, Math.round(44 / Math.max(height, width))));
  return Array.from({ length: count }, (_, index) => {
    const image = new ImageData(total, height);
    for (let slice = 0; slice < slices; slice++) {
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const value = values[((index * slices + slice) * height + y) * width + x] ?? 0;
          const place = y * total + slice * (width + 1) + x;
          image.data.set([...diverging(value / 127), 255], 4 * place);
        }
      }
    }
    const picture = canvas(total, height, label(index));
    picture.style.width = `${total * zoom}px`;
    picture.style.height = `${height * zoom}px`;
    picture.getContext("2d")?.putImageData(image, 0, 0);
    return picture;
  });
}

/** An input in grey or colour. */
export function photograph(of: Picture, label: string): HTMLCanvasElement {
  const [height = 1, width = 1, channels = 1] = of.shape;
  const values = bytes(of.data);
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let channel = 0; channel < 3; channel++) {
      image.data[4 * i + channel] = values[channels * i + (channels === 3 ? channel : 0)] ?? 0;
    }
    image.data[4 * i + 3] = 255;
  }
  const picture = canvas(width, height, label);
  picture.getContext("2d")?.putImageData(image, 0, 0);
  return picture;
}

/** Bars of a histogram, as high as the roots of their counts, so that thin tails stay visible. */
export function histogram(on: HTMLCanvasElement, of: Histogram | null | undefined): void {
  const [width, height] = [256, 88];
  on.width = width;
  on.height = height;
  const context = on.getContext("2d");
  if (!context || !of) return;
  const most = Math.sqrt(Math.max(...of.counts));
  const wide = width / of.counts.length;
  context.fillStyle = colour("train");
  of.counts.forEach((count, i) => {
    const high = most ? (Math.sqrt(count) / most) * (height - 2) : 0;
    context.fillRect(i * wide + 0.5, height - high, wide - 1, high);
  });
  if (of.low < 0 && of.high > 0) {
    context.fillStyle = colour("val");
    context.fillRect((-of.low / (of.high - of.low)) * width - 1, 0, 2, height);
  }
}
