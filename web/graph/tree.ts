// The modules as groups that fold, with the nodes that are directly in each.

import {
  edgesFrom, explanation, inner, nodes, page, real, type Edge, type Module, type Node,
} from "./data";

export interface Group {
  id: string; name: string; type: string; path: string;
  nodes: Node[]; children: Group[]; parent: Group | null;
  folded: boolean;
  /** Of a composite: the node that it is, folded. */
  node: Node | null;
  /** All nodes in it, at any depth, in the order of computing. */
  all: Node[];
}

/** More nodes than this directly in one group are put into parts, so that they can be folded. */
const MOST = 150;
const PART = 40;
/** So many items are shown when the page opens. */
const OPEN = 40;
/** With more items than this on the page, "unfold all" opens no further composite. */
const CROWD = 400;

const groupOf = new Map<string, Group>();
/** All groups but the root, by id; that of a composite has the id of its node. */
export const groups = new Map<string, Group>();
const place = new Map(explanation.nodes.map((node, i) => [node.id, i]));

function group(id: string, name: string, type: string, path: string): Group {
  return {
    id, name, type, path, nodes: [], children: [], parent: null, folded: true, node: null, all: [],
  };
}

function known(ids: string[]): Node[] {
  return ids.flatMap((id) => nodes.get(id) ?? []);
}

function fromModule(module: Module): Group {
  const out = group(`m:${module.path}`, module.name, module.type ?? "", module.path);
  out.nodes = known(module.nodes);
  out.children = module.children.map(fromModule);
  return out;
}

/** The elementary steps of one composite are a group of their own. */
function gatherComposites(owner: Group): void {
  owner.children.forEach(gatherComposites);
  const by = new Map<string, Group>();
  const rest: Node[] = [];
  for (const node of owner.nodes) {
    if (!node.parent) {
      rest.push(node);
      continue;
    }
    const id = `${owner.id}#${node.parent.id}`;
    const found = by.get(id) ?? group(id, node.parent.op, "", owner.path);
    found.nodes.push(node);
    by.set(id, found);
  }
  owner.nodes = rest;
  owner.children.push(...by.values());
}

function split(owner: Group): void {
  owner.children.forEach(split);
  if (owner.nodes.length <= MOST) return;
  const rest = owner.nodes;
  owner.nodes = [];
  for (let i = 0; i < rest.length; i += PART) {
    const some = rest.slice(i, i + PART);
    const name = `${some[0]?.id} … ${some[some.length - 1]?.id}`;
    const part = group(`${owner.id}@${i}`, name, "", owner.path);
    part.nodes = some;
    owner.children.push(part);
  }
}

/** A group of one node says no more than the node. */
function hoist(owner: Group): void {
  owner.children.forEach(hoist);
  const kept: Group[] = [];
  for (const child of owner.children) {
    if (child.children.length === 0 && child.nodes.length <= 1) owner.nodes.push(...child.nodes);
    else kept.push(child);
  }
  owner.children = kept;
}

/** A module that holds nothing but one composite is that composite. */
function merge(owner: Group): void {
  owner.children.forEach(merge);
  for (const child of owner.children) {
    const only = child.children[0];
    if (child.nodes.length || child.children.length !== 1 || !only?.id.includes("#")) continue;
    child.nodes = only.nodes;
    child.children = only.children;
  }
}

/** Whether data leave a group and come back to it. */
function reentered(inside: Set<string>): boolean {
  const seen = new Set<string>();
  const open = [...inside].flatMap((id) => edgesFrom(id)).map((edge) => edge.to)
    .filter((id) => !inside.has(id));
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (seen.has(id)) continue;
    seen.add(id);
    for (const { to } of edgesFrom(id)) {
      if (inside.has(to)) return true;
      open.push(to);
    }
  }
  return false;
}

/** A mere container through which the data pass several times is not drawn around its parts: no
 * layers could show it. */
function dissolve(owner: Group): Node[] {
  const all = [...owner.nodes];
  const kept: Group[] = [];
  for (const child of owner.children) {
    const inside = dissolve(child);
    all.push(...inside);
    const container = child.children.length > 1
      && !child.nodes.some((node) => node.kind === "operation");
    if (container && reentered(new Set(inside.map((node) => node.id)))) {
      kept.push(...child.children);
      owner.nodes.push(...child.nodes);
    } else kept.push(child);
  }
  owner.children = kept;
  return all;
}

/** Composites that unfold are groups, too. What is in them comes when the first is unfolded. */
function composites(owner: Group): void {
  owner.children.forEach(composites);
  owner.nodes = owner.nodes.filter((node) => {
    if (!page.agreement[node.id]?.here) return true;
    const out = group(node.id, node.title, node.id, owner.path);
    out.node = node;
    owner.children.push(out);
    return false;
  });
}

function finish(owner: Group): void {
  for (const child of owner.children) {
    child.parent = owner;
    groups.set(child.id, child);
    finish(child);
    if (child.node) groupOf.set(child.id, owner);
  }
  for (const node of owner.nodes) groupOf.set(node.id, owner);
  owner.all = [...owner.nodes, ...owner.children.flatMap((child) => child.node ?? child.all)]
    .sort((a, b) => (place.get(a.id) ?? 0) - (place.get(b.id) ?? 0));
}

let filled = false;

/** Puts their elementary steps into the composites. */
export function fillComposites(): void {
  if (filled) return;
  filled = true;
  for (const [id, found] of Object.entries(inner())) {
    const owner = groups.get(id);
    if (!owner) continue;
    found.nodes.forEach((node, i) => place.set(node.id, i));
    owner.nodes = found.nodes.flatMap((node) => nodes.get(node.id) ?? []);
    split(owner);
    finish(owner);
  }
}

/** The edges among which those of a group are: of a composite, or of the whole graph. */
export function edgesAround(owner: Group): Edge[] {
  for (let at: Group | null = owner; at; at = at.parent) {
    if (at.node) return inner()[at.id]?.edges ?? [];
  }
  return explanation.edges;
}

function build(): Group {
  const modules = explanation.modules;
  const root = modules ? fromModule(modules) : group("m:", "", "", "");
  const placed = new Set<string>();
  const visit = (each: Group): void => {
    for (const node of each.nodes) placed.add(node.id);
    each.children.forEach(visit);
  };
  visit(root);
  const owners = new Map<string, Group>();
  const learn = (each: Group): void => {
    for (const node of each.nodes) owners.set(node.id, each);
    each.children.forEach(learn);
  };
  learn(root);
  for (const node of explanation.nodes) {
    if (placed.has(node.id)) continue;
    // Data without a name (a mask, positions) lie where they are used.
    const users = new Set(edgesFrom(node.id).map((edge) => owners.get(edge.to)));
    const own = node.kind === "input" && node.name === null && users.size === 1;
    ((own ? [...users][0] : undefined) ?? root).nodes.push(node);
  }
  gatherComposites(root);
  hoist(root);
  merge(root);
  dissolve(root);
  split(root);
  composites(root);
  finish(root);
  root.folded = false;
  return root;
}

export const root = build();

export const groupAround = (id: string): Group => groupOf.get(id) ?? root;

/** The groups around a group, the innermost first, without the root. */
export function around(start: Group): Group[] {
  const out: Group[] = [];
  for (let at: Group | null = start; at && at !== root; at = at.parent) out.push(at);
  return out;
}

export function everyGroup(visit: (each: Group) => void, from: Group = root): void {
  for (const child of from.children) {
    visit(child);
    everyGroup(visit, child);
  }
}

/** How many items are on the page as it is folded. */
export function visible(from: Group = root): number {
  return from.nodes.length
    + from.children.reduce((sum, child) => sum + (child.folded ? 1 : visible(child)), 0);
}

/** Unfolds level by level as long as the page stays small. */
export function openSmall(): void {
  const modules = (each: Group): Group[] => each.children.filter((child) => !child.node);
  let level = modules(root);
  while (level.length) {
    for (const each of level) each.folded = false;
    if (visible() > OPEN) {
      for (const each of level) each.folded = true;
      return;
    }
    level = level.flatMap(modules);
  }
}

/** Unfolds all modules; where they all are already, the composites in them, as many as can be
 * looked at. */
export function openAll(): void {
  const shut = [...groups.values()].filter((each) => each.folded);
  const modules = shut.filter((each) => !each.node);
  if (!modules.length) fillComposites();
  for (const each of modules.length ? modules : shut) {
    if (each.node && visible() > CROWD) return;
    each.folded = false;
  }
}

/** The item that stands for a node: the outermost folded group around it, else itself. */
export function shownFor(id: string): string {
  const folded = around(groupAround(id)).reverse().find((each) => each.folded);
  return folded ? folded.id : id;
}

/** The last operation of a group: what it gives. */
export function resultOf(each: Group): Node | null {
  const operations = each.all.filter((node) => node.kind === "operation");
  return operations[operations.length - 1] ?? each.all[each.all.length - 1] ?? null;
}

/** A group's name as its card has it: a number says nothing without what it counts. */
export function labelOf(each: Group): string {
  const name = each.name || each.path;
  return /^\d+$/.test(name) && each.parent?.name ? `${each.parent.name}.${name}` : name;
}

const LONG = 16;

/** A node's name as its card has it: a long path is left to the frames around it. */
export function titleOf(node: Node): string {
  const { path } = groupAround(node.id);
  const long = node.title.length > LONG && path && node.title.startsWith(`${path}.`);
  return long ? node.title.slice(path.length + 1) : node.title;
}

export function parametersIn(each: Group): number {
  return each.all
    .filter((node) => node.kind === "parameter")
    .reduce((sum, node) => sum + (node.outputs[0]?.shape ?? []).reduce((a, b) => a * b, 1), 0);
}

/** The norm of all parameter gradients of a group together. */
export function parameterGradient(each: Group): number | null {
  const norms = each.all
    .filter((node) => node.kind === "parameter")
    .map((node) => real(node.gradient_norm))
    .filter((norm) => norm !== null);
  return norms.length ? Math.hypot(...norms) : null;
}
