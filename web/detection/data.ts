// The data of the page: an explained image in both languages.

import { language } from "../shared/words";

/** A text in both languages, or one that is the same in both. */
export type Text = string | { en: string; zh: string };
export type Box = [x1: number, y1: number, x2: number, y2: number];
export type State = "passed" | "surplus" | "struck" | "unfit";

export interface Boxes {
  box: Box[]; group: number[]; state: State[]; by: number[]; iou: number[]; score: number[];
}
export interface First extends Boxes { place: [number, number, number][]; proposals: number[] }
export interface Second extends Boxes { proposal: number[]; count: number }
export interface Level {
  name: string; rows: number; columns: number; strides: [number, number]; cell: Box[];
}
export interface Axis { places: number[]; taps: [number, number][]; weights: [number, number][]; step: number }
export interface Region {
  box: Box; map: string; scale: number; channel: number; bins: [number, number];
  down: Axis; across: Axis; pooled: number[][]; worked: [number, number];
  part: { row: number; column: number; values: number[][] };
}
export interface Line { key: string; label: Text; text: Text; check: { right: boolean; error: number | null } | null }
export interface Stage { key: string; title: Text; hint: Text; lines: Line[] }
export interface Detection {
  label: number; score: number; box: Box; first: number; proposal: number; second: number;
  level: number; place: [number, number, number]; anchor: Box; classes: [number, number][];
  region: Region; stages: Stage[];
}
export interface Explanation {
  title: Text; name: string;
  image: { height: number; width: number; size: [number, number]; canvas: [number, number]; scale: [number, number] };
  classes: Text[];
  settings: { first_threshold: number; last_threshold: number; score_threshold: number };
  levels: Level[]; first: First; second: Second; detections: Detection[];
  objects: { label: number; box: Box }[] | null;
  lost: {
    near: { first: number; score: number; label: number; text: Text }[];
    misses: { object: number; label: number; first: number; text: Text }[] | null;
    false_alarms: { detection: number; text: Text }[] | null;
  };
  checked: { right: boolean; lines: number; wrong: Text[]; worst: number; text: Text } | null;
}
interface Page { open: "en" | "zh"; explanation: Explanation; picture: string }

export const page = JSON.parse(document.getElementById("data")?.textContent ?? "") as Page;
export const found = page.explanation;

/** The text in the language of the page. */
export const tell = (text: Text): string => (typeof text === "string" ? text : text[language()]);

/** What a label is called. */
export const className = (label: number): string => tell(found.classes[label] ?? String(label));

/** A detection's box in the pixels of the batch, as all others are. */
export function inner(detection: Detection): Box {
  const [down, across] = found.image.scale;
  const [x1, y1, x2, y2] = detection.box;
  return [x1 / across, y1 / down, x2 / across, y2 / down];
}
