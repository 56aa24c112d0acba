// What is shown: a stage, a detection, layers, a bin, a box that is pointed at.

import { found, type Detection } from "./data";

export const STAGES = [
  "overview", "anchor", "score", "decode", "suppression", "region", "class", "refine", "selection", "final",
] as const;
export type StageKey = (typeof STAGES)[number];

export const LAYERS = ["anchors", "proposals", "struck", "region", "boxes", "objects"] as const;
export type Layer = (typeof LAYERS)[number];

/** What a stage shows when it is come to. */
const USUAL: Record<StageKey, Layer[]> = {
  overview: ["boxes", "objects"],
  anchor: ["anchors"],
  score: ["anchors", "proposals"],
  decode: ["proposals"],
  suppression: ["struck"],
  region: ["region"],
  class: ["region"],
  refine: [],
  selection: ["struck", "boxes"],
  final: ["boxes", "objects"],
};

export const state = {
  stage: "overview" as StageKey,
  /** Which detection; -1 where there is none. */
  box: found.detections.length ? 0 : -1,
  layers: new Set<Layer>(USUAL.overview),
  /** Of which map the anchors are shown. */
  level: found.detections[0]?.level ?? 0,
  bin: [0, 0] as [number, number],
  /** A box of the first stage that is pointed at in a list. */
  focus: -1,
};

export const chosen = (): Detection | null => found.detections[state.box] ?? null;

type Change = "stage" | "layers" | "bin" | "focus";
const listeners: [Change, () => void][] = [];

export function on(change: Change, listener: () => void): void {
  listeners.push([change, listener]);
}

function tellAll(...changes: Change[]): void {
  for (const [change, listener] of listeners) if (changes.includes(change)) listener();
}

/** To a stage and a detection; without a detection only the overview has something to say. */
export function go(stage: StageKey, box = state.box): void {
  const moved = stage !== state.stage;
  const other = box !== state.box;
  state.box = found.detections[box] ? box : state.box;
  state.stage = chosen() ? stage : "overview";
  const now = chosen();
  if (now && (other || moved)) {
    state.level = now.level;
    state.bin = [...now.region.worked];
  }
  if (moved) state.layers = new Set(USUAL[state.stage]);
  state.focus = -1;
  tellAll("stage");
}

export function step(by: number): void {
  const at = STAGES.indexOf(state.stage) + by;
  go(STAGES[Math.max(0, Math.min(STAGES.length - 1, at))] ?? "overview");
}

/** To the next detection, in a circle. */
export function turn(by: number): void {
  const n = found.detections.length;
  if (n) go(state.stage, (state.box + by + n) % n);
}

export function toggle(layer: Layer): void {
  if (!state.layers.delete(layer)) state.layers.add(layer);
  tellAll("layers");
}

export function showLevel(level: number): void {
  state.level = level;
  state.layers.add("anchors");
  tellAll("layers");
}

export function pickBin(row: number, column: number): void {
  state.bin = [row, column];
  tellAll("bin");
}

export function focusOn(first: number): void {
  state.focus = first;
  tellAll("focus");
}
