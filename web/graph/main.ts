// The page of an explanation.

import { el, write } from "../shared/dom";
import { languageWasChosen, showLanguage, switches } from "../shared/switches";
import { language, say, text, told, type Words } from "../shared/words";
import { number } from "../shared/format";
import { explanation, page, tell as textOf } from "./data";
import { keepAddress, languageInAddress } from "./address";
import { film, jump, step, toggle as togglePlay } from "./film";
import { inspector, show } from "./inspector";
import { canvas, fit, neighbour, range, redraw, refill, start, toggle, widthOf, zoom } from "./scene";
import { focusSearch, searchBox } from "./search";
import { openTab, refolded, type Tab } from "./state";
import { everyGroup, openAll, openSmall } from "./tree";
import { W } from "./words";

function tool(words: Words, sign: string, act: () => void): HTMLElement {
  const button = el("button", { type: "button", click: act }, sign);
  told(button, () => {
    button.title = say(words);
    button.setAttribute("aria-label", say(words));
  });
  return button;
}

function foldAll(folded: boolean): void {
  if (folded) {
    everyGroup((each) => {
      each.folded = true;
    });
  } else openAll();
  refolded();
  fit(true);
}

function legend(): HTMLElement {
  const box = el("div", { class: "legend hint" });
  told(box, () => {
    box.replaceChildren(el("span", {}, say(W.legendWidth)));
    for (const norm of range.high > 0 ? [range.low, range.high] : []) {
      const stroke = el("span", { class: "stroke" });
      stroke.style.height = `${widthOf(norm)}px`;
      box.append(el("span", { class: "sample" }, stroke, number(norm)));
    }
    box.append(el("span", {}, say(W.legendColour)));
  });
  return box;
}

const KEYS: [string, Words][] = [
  ["← →", W.keysArrows], ["␣", W.keysSpace], ["Home End", W.keysEnds], ["↑ ↓", W.keysUpDown],
  ["F", W.keysFold], ["E C", W.keysAll], ["1 2 3 4", W.keysTabs], ["/", W.keysSearch],
  ["+ − 0", W.keysZoom], ["?", W.keysHelp],
];

function help(): HTMLDialogElement {
  const list = el("dl", { class: "keys" });
  for (const [keys, words] of KEYS) {
    const names = keys.split(" ").map((key) => el("kbd", {}, key));
    list.append(el("dt", {}, ...names), el("dd", {}, text(words)));
  }
  const dialog = el("dialog", { class: "card" }, el("h2", {}, text(W.help)), list,
    el("button", { type: "button", click: () => dialog.close() }, text(W.close)));
  return dialog;
}

const TABS: Record<string, Tab> = { 1: "value", 2: "gradient", 3: "formula", 4: "source" };

function keys(dialog: HTMLDialogElement): void {
  const acts: Record<string, () => void> = {
    ArrowLeft: () => step(-1), ArrowRight: () => step(1), Home: () => jump(0), End: () => jump(-1),
    ArrowUp: () => neighbour(true), ArrowDown: () => neighbour(false),
    " ": togglePlay, f: toggle, e: () => foldAll(false), c: () => foldAll(true), "/": focusSearch,
    "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), 0: () => fit(),
    "?": () => dialog.showModal(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
    const target = event.target as HTMLElement;
    if (target.closest("input:not([type=range]), textarea, select")) return;
    if (event.key === "Enter" && target.closest(".item")) {
      toggle();
      return;
    }
    // A button does what it is for when the space bar is pressed; arrows move a radio button.
    if (event.key === " " && target.closest("button")) return;
    const tab = TABS[event.key];
    const act = tab ? () => openTab(tab) : acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}

function verdict(): HTMLElement | null {
  const checked = explanation.checked;
  if (!checked) return null;
  const badge = el("span", { class: checked.wrong ? "badge wrong" : "badge right" });
  told(badge, () => write(badge, checked.wrong
    ? `✗ ${say(W.verifiedWrong, { n: checked.wrong })}` : `✓ ${say(W.verified, { n: checked.right })}`));
  return badge;
}

/** Where the NaN comes from, if there is one. */
function origin(): HTMLElement | null {
  if (!page.origins.length) return null;
  const box = el("div", { class: "origin", role: "status" });
  told(box, () => box.replaceChildren(...page.origins.map((each) => el("p", {}, `✗ ${textOf(each)}`))));
  return box;
}

function begin(): void {
  const title = el("h1", {});
  let drawn = false;
  const settings = switches(() => {
    if (!drawn) return;
    refill();
    show();
  });
  const dialog = help();
  told(title, () => {
    write(title, textOf(explanation.title));
    document.title = `${textOf(explanation.title)} · chainrule`;
  });
  openSmall();
  const tools = el("div", { class: "tools" },
    tool(W.zoomOut, "−", () => zoom(0.8)), tool(W.zoomIn, "+", () => zoom(1.25)),
    tool(W.fit, "⤢", () => fit()), tool(W.unfoldAll, "⊞", () => foldAll(false)),
    tool(W.foldAll, "⊟", () => foldAll(true)), tool(W.help, "?", () => dialog.showModal()));
  document.body.append(
    el("header", {}, title, verdict(), searchBox(), el("div", { class: "settings" }, ...settings)),
    el("main", {}, el("div", { class: "stage" }, canvas, tools, origin(), legend()), inspector()),
    film(), dialog,
  );
  const asked = languageInAddress() ?? (languageWasChosen() ? null : page.open);
  if (asked) showLanguage(asked);
  start();
  const write_ = keepAddress();
  told(canvas, () => {
    if (!drawn) return;
    redraw();
    refill();
    write_();
  });
  drawn = true;
  keys(dialog);
  new ResizeObserver(() => zoom(1)).observe(canvas);
  document.documentElement.dataset["ready"] = language();
}

begin();
