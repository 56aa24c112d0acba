// What is chosen: an item, an entry of it, a step of the film, a tab. Whoever shows it listens.

import { explanation, nodes, type Step } from "./data";
import { everyGroup, type Group } from "./tree";

export type Tab = "value" | "gradient" | "formula" | "source";
export interface Place { row: number; column: number }

type Change = "chosen" | "entry" | "step" | "tab" | "folded";

const listeners: [Change, () => void][] = [];
export const groups = new Map<string, Group>();
everyGroup((each) => groups.set(each.id, each));

export const state = {
  /** Id of the chosen node or group. */
  chosen: explanation.output,
  output: 0,
  /** The cell that is pointed at, or was last. */
  entry: null as Place | null,
  /** 0: the overview; n: the n-th step of the film has happened. */
  step: 0,
  tab: "formula" as Tab,
  /** The group that is being folded or unfolded: it stays where it is on the screen. */
  anchor: null as string | null,
};

export function on(change: Change, listener: () => void): void {
  listeners.push([change, listener]);
}

export function tell(...changes: Change[]): void {
  for (const [change, listener] of listeners) if (changes.includes(change)) listener();
}

export const stepNow = (): Step | null => explanation.play[state.step - 1] ?? null;

export function choose(id: string): void {
  if (!nodes.has(id) && !groups.has(id)) return;
  if (id !== state.chosen) {
    state.chosen = id;
    state.output = 0;
    state.entry = null;
  }
  tell("chosen");
}

export function goTo(step: number): void {
  state.step = Math.max(0, Math.min(explanation.play.length, step));
  const now = stepNow();
  if (now && now.node !== state.chosen) {
    state.chosen = now.node;
    state.output = 0;
    state.entry = null;
  }
  tell("step", "chosen");
}

export function pointAt(row: number, column: number): void {
  if (state.entry?.row === row && state.entry.column === column) return;
  state.entry = { row, column };
  tell("entry");
}

export function openTab(tab: Tab): void {
  state.tab = tab;
  tell("tab");
}

export function fold(each: Group, folded: boolean): void {
  each.folded = folded;
  state.anchor = each.id;
  tell("folded");
  state.anchor = null;
}

/** Unfolds everything around a node, so that it can be seen. */
export function reveal(inside: Group[]): boolean {
  const shut = inside.filter((each) => each.folded);
  for (const each of shut) each.folded = false;
  if (shut.length) tell("folded");
  return shut.length > 0;
}
