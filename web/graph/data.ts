// The data of the page: an explanation in both languages, and the numbers of single entries.

import { language } from "../shared/words";

/** A text in both languages, or one that is the same in both. */
export type Text = string | { en: string; zh: string };
export type Num = number | "NaN" | "Infinity" | "-Infinity" | null;

export interface Formula { text: Text; latex: Text }
export interface Statistics {
  count: number; mean: Num; std: Num; min: Num; max: Num; norm: Num; zeros: number;
  not_finite: number;
}
export interface Picture {
  statistics: Statistics;
  all: unknown;
  preview: { rows: number; columns: number; data: Num[][]; slice: string };
}
export interface Output {
  name: string; shape: number[]; dtype: string | null; value: Picture | null;
  gradient: Picture | null;
}
export interface Input {
  name: string; from: string | null; output: number; shape: number[] | null;
  dtype: string | null; gradient: boolean;
}
export interface Line { kind: string; text: Text; latex: Text }
export interface Node {
  id: string; kind: "operation" | "parameter" | "input"; op: string | null; title: string;
  name: string | null; summary: Text | null; composite: boolean;
  parent: { id: string; op: string } | null; inside: string | null;
  params: Record<string, string>; formula: Formula | null;
  derivatives: ({ input: string } & Formula)[]; module: string | null; module_type: string | null;
  source: { file: string; line: number; function: string; code: string } | null;
  inputs: Input[]; outputs: Output[]; lines: Line[]; gradient_norm: Num;
  check: { status: string; error: Num; text: Text } | null;
}
export interface Edge {
  from: string; output: number; to: string; input: number; shape: number[] | null;
  gradient_norm: Num; share: Num;
}
/** The elementary steps of a composite, joined to the steps around it. */
export interface Composite { nodes: Node[]; edges: Edge[]; play: Step[] }
interface Inner { composites: Record<string, Composite>; cells: Record<string, Cells> }
export interface Module {
  path: string; name: string; type: string | null; nodes: string[]; children: Module[];
}
export type Phase = "forward" | "backward" | "update";
export interface Step { phase: Phase; node: string; text: Text }
export interface Explanation {
  title: Text; output: string; level: string; nodes: Node[]; edges: Edge[];
  modules: Module | null; play: Step[];
  checked: { right: number; wrong: number; kink: number; rule: number; unknown: number } | null;
}

/** Terms factor × factor of a sum, the sum of those that are not listed, and what is added. */
export interface Sum { terms: [Num, Num, string][]; count: number; rest: Num; plus: Num }
export type Cell = [
  row: number, column: number, place: number[], value: Num, gradient: Num,
  forward: Num[] | Sum | null, backward: Sum | null,
];
export interface Cells { template: string | null; cells: Cell[] }
export interface Page {
  open: "en" | "zh"; explanation: Explanation; cells: Record<string, Cells>;
  /** Of each composite: whether its steps are on the page (or too many for one); if so, how many
   * they are and how far both views are apart. */
  agreement: Record<string, {
    steps: number | null; here: boolean; values: Num; gradients: Num;
  }>;
  /** Of each parameter what its optimiser does; empty where none was given. */
  updates: Record<string, { title: Text; lines: { text: Text; latex: Text; label: Text }[] }>;
  /** Where what is not finite comes from. */
  origins: Text[];
}

const read = (id: string): unknown => JSON.parse(document.getElementById(id)?.textContent ?? "");

export const page = read("data") as Page;
export const explanation = page.explanation;
export const nodes = new Map(explanation.nodes.map((node) => [node.id, node]));

/** The text in the language of the page. */
export function tell(text: Text | null): string {
  return text === null ? "" : typeof text === "string" ? text : text[language()];
}

/** JSON has no word for what is not finite: here it is a number again. */
export function real(value: Num | undefined): number | null {
  if (value === null || value === undefined) return null;
  return typeof value === "number" ? value : Number(value);
}

let insides: Inner | null = null;

/** The insides of all composites: read from the page when they are first asked for. */
export function inner(): Record<string, Composite> {
  if (!insides) {
    insides = read("inner") as Inner;
    for (const composite of Object.values(insides.composites)) {
      for (const node of composite.nodes) nodes.set(node.id, node);
      composite.edges.forEach(learn);
    }
  }
  return insides.composites;
}

/** What is worked of the entries of a node. */
export const cellsOf = (id: string): Cells | null => page.cells[id] ?? insides?.cells[id] ?? null;

/** The cell of a preview that stands for row and column, with its numbers. */
export function cellAt(id: string, row: number, column: number): Cell | null {
  return cellsOf(id)?.cells.find((cell) => cell[0] === row && cell[1] === column) ?? null;
}

const consumers = new Map<string, Edge[]>();
const producers = new Map<string, Edge[]>();
/** A step is joined to those of its own level; one within a composite also to those around that. */
function learn(edge: Edge): void {
  const [from, to] = [nodes.get(edge.from)?.parent?.id, nodes.get(edge.to)?.parent?.id];
  if (from !== undefined || to === undefined) {
    consumers.set(edge.from, [...(consumers.get(edge.from) ?? []), edge]);
  }
  if (to !== undefined || from === undefined) {
    producers.set(edge.to, [...(producers.get(edge.to) ?? []), edge]);
  }
}
explanation.edges.forEach(learn);
export const edgesFrom = (id: string): Edge[] => consumers.get(id) ?? [];
export const edgesTo = (id: string): Edge[] => producers.get(id) ?? [];

/** A shape as [4, 6, 24, 24]; of a single number "scalar" is left to the words. */
export const shapeOf = (shape: number[]): string => `[${shape.join(", ")}]`;
