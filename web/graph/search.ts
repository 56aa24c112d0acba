// Finding nodes by name, operation, module, formula or line.

import { el } from "../shared/dom";
import { say, told } from "../shared/words";
import { nodes, shapeOf, tell, type Node } from "./data";
import { nameOf } from "./formulas";
import { choose, reveal } from "./state";
import { around, fillComposites, groupAround } from "./tree";
import { W } from "./words";

const SHOWN = 12;
const box = el("input", {
  type: "search", id: "search", role: "combobox", autocomplete: "off", spellcheck: "false",
  "aria-expanded": "false", "aria-controls": "found",
});
const list = el("ul", { id: "found", role: "listbox", class: "found card", hidden: true });
let results: Node[] = [];
let at = 0;

const haystacks = new Map<Node, string>();
function haystack(node: Node): string {
  let text = haystacks.get(node);
  if (text === undefined) {
    text = [node.title, node.id, node.name, node.op, node.module, node.module_type,
      typeof node.formula?.text === "string" ? node.formula.text : "", node.source?.code]
      .filter(Boolean).join("\n").toLowerCase();
    haystacks.set(node, text);
  }
  return text;
}

/** Nodes in which all words occur; those whose title begins with the first come first, steps within
 * composites after others. */
function search(query: string): Node[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return [];
  fillComposites();
  const found = [...nodes.values()].filter((n) => words.every((word) => haystack(n).includes(word)));
  const rank = (node: Node): number =>
    (node.title.toLowerCase().startsWith(words[0]!) ? 0 : 2) + (node.parent ? 1 : 0);
  return found.sort((a, b) => rank(a) - rank(b));
}

function close(): void {
  list.hidden = true;
  box.setAttribute("aria-expanded", "false");
  box.removeAttribute("aria-activedescendant");
}

function go(node: Node | undefined): void {
  if (!node) return;
  close();
  box.value = "";
  box.blur();
  reveal(around(groupAround(node.id)));
  choose(node.id);
}

function show(): void {
  list.replaceChildren();
  if (!box.value.trim()) {
    close();
    return;
  }
  list.hidden = false;
  box.setAttribute("aria-expanded", "true");
  if (!results.length) list.append(el("li", { class: "hint" }, say(W.nothing)));
  results.slice(0, SHOWN).forEach((node, i) => {
    const shape = shapeOf(node.outputs[0]?.shape ?? []);
    const option = el("li", {
      role: "option", id: `found-${i}`, "aria-selected": String(i === at),
      pointerdown: (event) => {
        event.preventDefault();
        go(node);
      },
    },
      el("b", {}, node.title), " ",
      el("span", { class: "hint" }, [
        node.kind === "operation" ? (node.parent ? node.id : nameOf(node.id)) : say(W[node.kind]),
        node.parent ? say(W.within, { name: node.parent.op }) : "", node.module ?? "",
        node.formula ? tell(node.formula.text) : shape,
      ].filter(Boolean).join(" · ")));
    list.append(option);
  });
  if (results.length) box.setAttribute("aria-activedescendant", `found-${at}`);
}

export function focusSearch(): void {
  box.focus();
  box.select();
}

export function searchBox(): HTMLElement {
  told(box, () => {
    box.placeholder = `${say(W.search)}  /`;
    box.setAttribute("aria-label", say(W.searchHint));
  });
  box.addEventListener("input", () => {
    results = search(box.value);
    at = 0;
    show();
  });
  box.addEventListener("blur", close);
  box.addEventListener("keydown", (event) => {
    const most = Math.min(results.length, SHOWN);
    if (event.key === "Enter") go(results[at]);
    else if (event.key === "Escape") {
      box.value = "";
      box.blur();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (most) at = (at + (event.key === "ArrowDown" ? 1 : most - 1)) % most;
      event.preventDefault();
      show();
    }
    event.stopPropagation();
  });
  return el("div", { class: "search" }, box, list);
}
