// The part of the address after #: the step, the chosen node, the language, and what is unfolded.

import { showLanguage } from "../shared/switches";
import { language, type Language } from "../shared/words";
import { explanation, nodes } from "./data";
import { choose, goTo, groups, indexOf, on, refolded, reveal, state, stepNow } from "./state";
import { around, fillComposites, groupAround } from "./tree";

/** What is folded when the page opens: the address says what differs from it. */
const usual = new Map<string, boolean>();
/** With more differences than this the address leaves them out. */
const LONG = 120;

/** #step=backward-n11&node=n4&open=n5&lang=en */
function write(): void {
  const now = stepNow();
  const parts = [`step=${now ? `${now.phase}-${now.node}` : "overview"}`];
  const expected = now ? now.node : explanation.output;
  if (state.chosen !== expected) parts.push(`node=${encodeURIComponent(state.chosen)}`);
  const turned = [...groups.values()].filter((each) => each.folded !== (usual.get(each.id) ?? true));
  for (const each of turned.length > LONG ? [] : turned) {
    parts.push(`${each.folded ? "shut" : "open"}=${encodeURIComponent(each.id)}`);
  }
  parts.push(`lang=${language()}`);
  const hash = `#${parts.join("&")}`;
  if (hash !== location.hash) history.replaceState(null, "", hash);
}

export function languageInAddress(): Language | null {
  const found = new URLSearchParams(location.hash.slice(1)).get("lang");
  return found === "en" || found === "zh" ? found : null;
}

function read(): void {
  const given = new URLSearchParams(location.hash.slice(1));
  const lang = languageInAddress();
  if (lang && lang !== language()) showLanguage(lang);
  const [phase, node] = (given.get("step") ?? "").split("-");
  const [chosen, open, shut] = [given.get("node"), given.getAll("open"), given.getAll("shut")];
  // Steps within composites are known by their names only once they have been read.
  if (open.length || [node, chosen].some((id) => id?.includes("."))) fillComposites();
  for (const each of groups.values()) {
    each.folded = shut.includes(each.id) || (!open.includes(each.id) && (usual.get(each.id) ?? true));
  }
  refolded();
  if (node !== undefined && nodes.get(node)?.parent) reveal(around(groupAround(node)));
  const index = indexOf(phase ?? "", node ?? "");
  if (index >= 0 || given.get("step") === "overview") goTo(index + 1);
  if (chosen !== null && (nodes.has(chosen) || groups.has(chosen))) {
    if (nodes.get(chosen)?.parent) reveal(around(groupAround(chosen)));
    choose(chosen);
  }
}

/** Reads the address, and keeps it up to date from then on. */
export function keepAddress(): () => void {
  for (const each of groups.values()) usual.set(each.id, each.folded);
  read();
  addEventListener("hashchange", read);
  on("step", write);
  on("chosen", write);
  write();
  return write;
}
