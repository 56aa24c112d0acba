// The part of the address after #: the step, the chosen node and the language.

import { showLanguage } from "../shared/switches";
import { language, type Language } from "../shared/words";
import { explanation, nodes } from "./data";
import { choose, goTo, groups, on, state, stepNow } from "./state";

/** #step=backward-n11&node=n4&lang=en */
function write(): void {
  const now = stepNow();
  const parts = [`step=${now ? `${now.phase}-${now.node}` : "overview"}`];
  const usual = now ? now.node : explanation.output;
  if (state.chosen !== usual) parts.push(`node=${encodeURIComponent(state.chosen)}`);
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
  const index = explanation.play.findIndex((each) => each.phase === phase && each.node === node);
  if (index >= 0 || given.get("step") === "overview") goTo(index + 1);
  const chosen = given.get("node");
  if (chosen !== null && (nodes.has(chosen) || groups.has(chosen))) choose(chosen);
}

/** Reads the address, and keeps it up to date from then on. */
export function keepAddress(): () => void {
  read();
  addEventListener("hashchange", read);
  on("step", write);
  on("chosen", write);
  write();
  return write;
}
