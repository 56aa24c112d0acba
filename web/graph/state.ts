// What is chosen: an item, an entry of it, a step of the film, a tab. Whoever shows it listens.

import { explanation, inner, nodes, type Step } from "./data";
import { around, fillComposites, groupAround, groups, type Group } from "./tree";

export { groups };

export type Tab = "value" | "gradient" | "formula" | "source";
export interface Place { row: number; column: number }

type Change = "chosen" | "entry" | "step" | "tab" | "folded";

const listeners: [Change, () => void][] = [];
/** The film: a composite is one step; unfolded, all of those in it. */
export let play: Step[] = explanation.play;

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

export const stepNow = (): Step | null => play[state.step - 1] ?? null;

/** Where a step is in the film: of a composite that is unfolded, where the first of its own is; of
 * one within a composite that is folded, where that is. -1 if it is nowhere. */
export function indexOf(phase: string, id: string): number {
  const find = (wanted: (step: Step) => boolean): number =>
    play.findIndex((each) => each.phase === phase && wanted(each));
  const own = find(({ node }) => node === id);
  if (own >= 0) return own;
  const first = find(({ node }) => nodes.get(node)?.parent?.id === id);
  const whole = nodes.get(id)?.parent?.id;
  return first >= 0 || whole === undefined ? first : find(({ node }) => node === whole);
}

/** The film as the composites are folded now; the step that is shown stays. */
function replay(): void {
  const now = stepNow();
  const open = (id: string): boolean => {
    const found = groups.get(id);
    return found?.node !== null && found?.folded === false
      && !around(groupAround(id)).some((each) => each.folded);
  };
  play = explanation.play.flatMap((step) => (open(step.node)
    ? (inner()[step.node]?.play ?? []).filter((each) => each.phase === step.phase) : step));
  if (now) state.step = indexOf(now.phase, now.node) + 1;
}

/** Groups were folded or unfolded. */
export function refolded(): void {
  replay();
  tell("folded", "step");
}

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
  state.step = Math.max(0, Math.min(play.length, step));
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
  if (each.node) fillComposites();
  each.folded = folded;
  state.anchor = each.id;
  refolded();
  state.anchor = null;
}

/** Unfolds everything around a node, so that it can be seen. */
export function reveal(inside: Group[]): boolean {
  const shut = inside.filter((each) => each.folded);
  for (const each of shut) each.folded = false;
  if (shut.length) refolded();
  return shut.length > 0;
}
