// The part of the address after #: stage, box and language.

import { showLanguage } from "../shared/switches";
import { language, type Language } from "../shared/words";
import { go, on, state, STAGES, type StageKey } from "./state";

/** #stage=region&box=3&lang=en */
function write(): void {
  const parts = [`stage=${state.stage}`, ...(state.box >= 0 ? [`box=${state.box}`] : []), `lang=${language()}`];
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
  const stage = given.get("stage") as StageKey;
  const box = given.get("box");
  go(STAGES.includes(stage) ? stage : state.stage, box && /^\d+$/.test(box) ? Number(box) : state.box);
}

/** Reads the address, and keeps it up to date from then on. */
export function keepAddress(): () => void {
  read();
  addEventListener("hashchange", read);
  on("stage", write);
  write();
  return write;
}
