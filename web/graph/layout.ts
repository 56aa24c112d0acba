// Where everything goes: each unfolded group is laid out by itself, the innermost first, and is one
// box for the group around it. Edges that cross its border pass through ports at top and bottom.

import { graphlib, layout as arrange } from "@dagrejs/dagre";
import { nodes, real, type Edge, type Node } from "./data";
import { sizeOfGroup, sizeOfNode } from "./sizes";
import { around, edgesAround, groupAround, root, type Group } from "./tree";

export interface Point { x: number; y: number }
export interface Item {
  id: string; x: number; y: number; width: number; height: number;
  node: Node | null; group: Group | null; box: boolean;
}
export interface Wire {
  id: string; points: Point[]; norm: number | null; edges: Edge[];
}
export interface Drawing { width: number; height: number; items: Item[]; wires: Wire[] }

type Graph = graphlib.Graph;

/** `source`: what stands, for those outside, at the beginning of the edge. */
interface Crossing { edge: Edge; from: string; to: string; source: string }
interface Box {
  key: string; width: number; height: number; items: Item[]; wires: Wire[];
  into: Map<string, number>; out: Map<string, number>;
  inner: Map<string, Box>;
}

const SIDE = 14;
const HEAD = 30;
const GAP = 26;
const LEVEL = 42;

const boxes = new Map<Group, Box>();

const folds = (each: Group): string =>
  each.folded ? "0" : `1${each.children.map(folds).join("")}`;

/** In which item of `owner` a node is: its id, a child group, or null if it is outside. */
function itemIn(owner: Group, id: string, chains: Map<string, Group[]>): string | null {
  let chain = chains.get(id);
  if (!chain) {
    chain = [...around(groupAround(id)), root];
    chains.set(id, chain);
  }
  const at = chain.indexOf(owner);
  return at < 0 ? null : at === 0 ? id : chain[at - 1]!.id;
}

const chains = new Map<string, Group[]>();

function boxOf(owner: Group): Box {
  const key = folds(owner);
  const before = boxes.get(owner);
  if (before?.key === key) return before;
  const inner = new Map<string, Box>();
  for (const child of owner.children) if (!child.folded) inner.set(child.id, boxOf(child));
  const box = place(owner, inner, key);
  boxes.set(owner, box);
  return box;
}

function place(owner: Group, inner: Map<string, Box>, key: string): Box {
  const graph: Graph = new graphlib.Graph({ multigraph: false });
  graph.setGraph({ rankdir: "TB", nodesep: GAP, ranksep: LEVEL, edgesep: 12, marginx: 0, marginy: 0 });
  graph.setDefaultEdgeLabel(() => ({}));
  const within: Crossing[] = [];
  const ports = { into: new Set<string>(), out: new Set<string>() };
  const crossing: Crossing[] = [];
  for (const edge of edgesAround(owner)) {
    const from = itemIn(owner, edge.from, chains);
    const to = itemIn(owner, edge.to, chains);
    // The results of a composite's steps leave it as its own.
    const own = nodes.get(edge.from)?.parent?.id === edge.to;
    const source = own ? edge.to : edge.from;
    if (from && to && from !== to) within.push({ edge, from, to, source });
    else if (from && !to) {
      ports.out.add(source);
      crossing.push({ edge, from, to: `out:${source}`, source });
    } else if (to && !from) {
      ports.into.add(source);
      crossing.push({ edge, from: `into:${source}`, to, source });
    }
  }
  for (const id of ports.into) graph.setNode(`into:${id}`, { width: 6, height: 0 });
  for (const node of owner.nodes) graph.setNode(node.id, { ...sizeOfNode(node) });
  for (const child of owner.children) {
    const box = inner.get(child.id);
    const size = child.node ? sizeOfNode(child.node) : sizeOfGroup();
    graph.setNode(child.id, box ? { width: box.width, height: box.height } : { ...size });
  }
  for (const id of ports.out) graph.setNode(`out:${id}`, { width: 6, height: 0 });
  for (const { edge, from, to } of [...within, ...crossing]) {
    // The way of the data is straight; parameters come from the side.
    graph.setEdge(from, to, { weight: edge.input === 0 ? 4 : 1, minlen: 1 });
  }
  pin(graph, ports);
  arrange(graph);
  mirror(graph);
  const folded = owner.children.flatMap((child) => (child.folded ? child.node ?? [] : []));
  for (const node of [...owner.nodes, ...folded]) if (node.inputs.length > 2) inOrder(graph, node);
  return measured(owner, inner, key, graph, within, crossing);
}

/** Long wires are laid to the right of what was put in before them; mirrored, the data come from
 * the left, and parameters follow in their order. */
function mirror(graph: Graph): void {
  for (const id of graph.nodes()) graph.node(id).x *= -1;
  for (const name of graph.edges()) {
    for (const point of graph.edge(name).points ?? []) point.x *= -1;
  }
}

/** Parameters side by side above the operation that they go to stand in the order of its inputs. */
function inOrder(graph: Graph, node: Node): void {
  const found = new Map<string, { id: string; x: number; y: number; width: number }>();
  for (const { from } of node.inputs) {
    if (!from || !graph.hasNode(from) || graph.successors(from)?.length !== 1) continue;
    if (nodes.get(from)?.kind !== "operation") found.set(from, { id: from, ...graph.node(from) });
  }
  const row = [...found.values()];
  const before = [...row].sort((a, b) => a.x - b.x);
  const level = row[0]?.y;
  let left = (before[0]?.x ?? 0) - (before[0]?.width ?? 0) / 2;
  // Nothing else may stand between them.
  const whole = row.reduce((sum, each) => sum + each.width, (row.length - 1) * GAP);
  const last = before[before.length - 1];
  const span = last ? last.x + last.width / 2 - left : 0;
  if (row.length < 2 || span > whole + 1 || row.some((each) => each.y !== level)) return;
  for (const each of row) {
    const x = left + each.width / 2;
    for (const point of graph.edge(each.id, node.id)?.points ?? []) point.x += x - each.x;
    graph.node(each.id).x = x;
    left += each.width + GAP;
  }
}

/** Ports of what comes in lie above everything, those of what goes out below. */
function pin(graph: Graph, ports: { into: Set<string>; out: Set<string> }): void {
  const items = graph.nodes().filter((id) => !/^(into|out):/.test(id));
  if (ports.into.size) {
    graph.setNode("top", { width: 1, height: 0 });
    for (const id of ports.into) graph.setEdge("top", `into:${id}`, { weight: 6, minlen: 1 });
    for (const id of items) {
      if (!graph.predecessors(id)?.length) graph.setEdge("top", id, { weight: 0, minlen: 2 });
    }
  }
  if (ports.out.size) {
    graph.setNode("bottom", { width: 1, height: 0 });
    for (const id of ports.out) graph.setEdge(`out:${id}`, "bottom", { weight: 6, minlen: 1 });
    for (const id of items) {
      if (!graph.successors(id)?.length) graph.setEdge(id, "bottom", { weight: 0, minlen: 2 });
    }
  }
}

function measured(
  owner: Group, inner: Map<string, Box>, key: string, graph: Graph, within: Crossing[],
  crossing: Crossing[],
): Box {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  const ids = [...owner.nodes.map((node) => node.id), ...owner.children.map((child) => child.id)];
  for (const id of ids) {
    const { x, y, width, height } = graph.node(id);
    left = Math.min(left, x - width / 2);
    right = Math.max(right, x + width / 2);
    top = Math.min(top, y - height / 2);
    bottom = Math.max(bottom, y + height / 2);
  }
  for (const name of graph.edges()) {
    if (name.v === "top" || name.w === "bottom") continue;
    for (const point of graph.edge(name).points ?? []) {
      left = Math.min(left, point.x - 6);
      right = Math.max(right, point.x + 6);
    }
  }
  if (!Number.isFinite(left)) [left, top, right, bottom] = [0, 0, 0, 0];
  const dx = SIDE - left;
  const dy = SIDE + (owner === root ? 0 : HEAD) - top;
  const box: Box = {
    key, width: right - left + 2 * SIDE,
    height: bottom - top + 2 * SIDE + (owner === root ? 0 : HEAD + 4),
    items: [], wires: [], into: new Map(), out: new Map(), inner,
  };
  const groups = new Map(owner.children.map((child) => [child.id, child]));
  const byId = new Map(owner.nodes.map((node) => [node.id, node]));
  const at = new Map<string, Item>();
  for (const id of ids) {
    const { x, y, width, height } = graph.node(id);
    const item: Item = {
      id, x: x - width / 2 + dx, y: y - height / 2 + dy, width, height,
      node: byId.get(id) ?? groups.get(id)?.node ?? null, group: groups.get(id) ?? null, box: inner.has(id),
    };
    at.set(id, item);
    box.items.push(item);
  }
  for (const name of graph.nodes()) {
    if (name.startsWith("into:")) box.into.set(name.slice(5), graph.node(name).x + dx);
    else if (name.startsWith("out:")) box.out.set(name.slice(4), graph.node(name).x + dx);
  }
  box.wires = wires(box, graph, at, [...within, ...crossing], dx, dy);
  return box;
}

function wires(
  box: Box, graph: Graph, at: Map<string, Item>, all: Crossing[], dx: number, dy: number,
): Wire[] {
  const bundles = new Map<string, Crossing[]>();
  for (const each of all) {
    const apart = box.inner.has(each.from) || box.inner.has(each.to) ? each.source : "";
    const key = `${each.from}→${each.to}→${apart}`;
    bundles.set(key, [...(bundles.get(key) ?? []), each]);
  }
  const out: Wire[] = [];
  for (const [key, bundle] of bundles) {
    const { from, to, source } = bundle[0]!;
    const points: Point[] = (graph.edge(from, to)?.points ?? [])
      .map((p: Point) => ({ x: p.x + dx, y: p.y + dy }));
    if (points.length < 2) continue;
    const middle = points.slice(1, -1);
    const last = points.length - 1;
    const start = end(box, at, from, "out", source, middle[0] ?? points[last]!);
    const stop = end(box, at, to, "into", source, middle[middle.length - 1] ?? points[0]!);
    const norms = bundle.map((each) => real(each.edge.gradient_norm)).filter((n) => n !== null);
    out.push({
      id: `${box.key}/${key}`, points: [start, ...middle, stop],
      norm: norms.length ? Math.hypot(...norms) : null, edges: bundle.map((each) => each.edge),
    });
  }
  return out;
}

/** Where a wire leaves or reaches an item or a port. */
function end(
  box: Box, at: Map<string, Item>, id: string, side: "into" | "out", source: string, next: Point,
): Point {
  const item = at.get(id);
  if (!item) {
    const into = id.startsWith("into:");
    const x = (into ? box.into : box.out).get(id.slice(into ? 5 : 4)) ?? next.x;
    return { x, y: into ? 0 : box.height };
  }
  const y = side === "out" ? item.y + item.height : item.y;
  const port = box.inner.get(id)?.[side].get(source);
  if (port !== undefined) return { x: item.x + port, y };
  const margin = Math.min(24, item.width / 2);
  return { x: Math.min(Math.max(next.x, item.x + margin), item.x + item.width - margin), y };
}

/** The whole picture as it is folded now. */
export function layout(): Drawing {
  const top = boxOf(root);
  const items: Item[] = [];
  const found: Wire[] = [];
  const put = (owner: string, box: Box, x: number, y: number): void => {
    for (const wire of box.wires) {
      found.push({
        ...wire, id: `${owner}/${wire.id}`,
        points: wire.points.map((p) => ({ x: p.x + x, y: p.y + y })),
      });
    }
    for (const item of box.items) {
      items.push({ ...item, x: item.x + x, y: item.y + y });
      const inner = box.inner.get(item.id);
      if (inner) put(item.id, inner, item.x + x, item.y + y);
    }
  };
  put("", top, 0, 0);
  return { width: top.width, height: top.height, items, wires: found };
}
