// The page of a detector's work on one image.

import { el, write } from "../shared/dom";
import { languageWasChosen, showLanguage, switches } from "../shared/switches";
import { language, say, text, told, type Words } from "../shared/words";
import { keepAddress, languageInAddress } from "./address";
import { found, page, tell } from "./data";
import { image, start as startImage } from "./image";
import { inspector, start as startInspector } from "./inspector";
import { chosen, go, LAYERS, on, showLevel, state, step, STAGES, toggle, turn, type Layer } from "./state";
import { W } from "./words";

function verdict(): HTMLElement | null {
  const checked = found.checked;
  if (!checked) return null;
  const badge = el("span", { class: checked.right ? "badge right" : "badge wrong" });
  told(badge, () => {
    write(badge, checked.right ? `✓ ${say(W.right, { n: checked.lines })}` : `✗ ${say(W.wrong, { n: checked.wrong.length })}`);
    badge.title = tell(checked.text);
  });
  return badge;
}

// ---- layers -------------------------------------------------------------------------------------

function layers(): HTMLElement {
  const box = el("div", { class: "layerbar", role: "group" });
  const buttons = LAYERS.filter((each) => each !== "objects" || found.objects !== null).map((each) => {
    const button = el("button", { type: "button", id: `layer-${each}`, click: () => toggle(each) },
      el("span", { class: `swatch ${each}` }), text(W[each]));
    return [each, button] as const;
  });
  const level = el("select", { id: "level", change: () => showLevel(Number(level.value)) });
  box.append(...buttons.map(([, button]) => button), level);
  const show = (): void => {
    for (const [each, button] of buttons) button.setAttribute("aria-pressed", String(state.layers.has(each)));
    level.value = String(state.level);
  };
  told(box, () => {
    box.setAttribute("aria-label", say(W.layers));
    level.setAttribute("aria-label", say(W.anchors));
    level.replaceChildren(...found.levels.map((each, k) => el("option", { value: k },
      say(W.level, { name: each.name, rows: each.rows, columns: each.columns }))));
    show();
  });
  on("layers", show);
  on("stage", show);
  return box;
}

// ---- stages -------------------------------------------------------------------------------------

function stages(): HTMLElement {
  const bar = el("nav", { class: "stages" });
  const move = (words: Words, sign: string, by: number): HTMLButtonElement => {
    const button = el("button", { type: "button", class: "move", click: () => step(by) }, sign);
    told(button, () => {
      button.title = say(words);
      button.setAttribute("aria-label", say(words));
    });
    return button;
  };
  const [back, ahead] = [move(W.previous, "←", -1), move(W.next, "→", 1)];
  const tabs = STAGES.map((key, k) => {
    const name = el("span", {});
    const button = el("button", { type: "button", class: "tab", id: `stage-${key}`, click: () => go(key) },
      el("span", { class: "dot" }, String(k)), name);
    told(button, () => {
      const stage = found.detections[0]?.stages.find((each) => each.key === key);
      write(name, stage ? tell(stage.title) : say(W.overview));
    });
    return button;
  });
  const show = (): void => {
    const now = STAGES.indexOf(state.stage);
    tabs.forEach((tab, k) => {
      tab.hidden = k > 0 && !chosen();
      tab.classList.toggle("past", k < now);
      if (k === now) tab.setAttribute("aria-current", "step");
      else tab.removeAttribute("aria-current");
    });
    back.disabled = now === 0;
    ahead.disabled = now === STAGES.length - 1 || !chosen();
    const [tab, track] = [tabs[now], bar.children[1]];
    if (tab && track) track.scrollLeft = tab.offsetLeft - track.clientWidth / 2;
  };
  bar.append(back, el("div", { class: "tabs" }, ...tabs), ahead);
  told(bar, () => bar.setAttribute("aria-label", say(W.stages)));
  on("stage", show);
  show();
  return bar;
}

// ---- keys ---------------------------------------------------------------------------------------

const KEYS: [string, Words][] = [
  ["← →", W.keysStage], ["↑ ↓", W.keysBox], ["Home End", W.keysEnds], ["0 … 9", W.keysDigit],
  ["A P S R B O", W.keysLayers], ["?", W.keysHelp],
];

function help(): HTMLDialogElement {
  const rows = KEYS.flatMap(([keys, words]) => [
    el("dt", {}, ...keys.split(" ").map((key) => (key === "…" ? el("span", {}, key) : el("kbd", {}, key)))),
    el("dd", {}, text(words)),
  ]);
  const dialog = el("dialog", { class: "card" }, el("h2", {}, text(W.help)), el("dl", { class: "keys" }, ...rows),
    el("button", { type: "button", click: () => dialog.close() }, text(W.close)));
  return dialog;
}

function keys(dialog: HTMLDialogElement): void {
  const acts: Record<string, () => void> = {
    ArrowLeft: () => step(-1), ArrowRight: () => step(1), ArrowUp: () => turn(-1), ArrowDown: () => turn(1),
    Home: () => go("overview"), End: () => go("final"), "?": () => dialog.showModal(),
  };
  for (const layer of LAYERS) {
    if (layer !== "objects" || found.objects) acts[layer.charAt(0)] = () => toggle(layer as Layer);
  }
  for (let k = 0; k < 10; k++) acts[String(k)] = () => go(state.stage, k);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
    // Arrows move a radio button and a list of choices.
    if ((event.target as HTMLElement).closest("input, select")) return;
    const act = acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}

// ---- all together -------------------------------------------------------------------------------

function begin(): void {
  const title = el("h1", {});
  const settings = switches(() => undefined);
  const dialog = help();
  told(title, () => {
    write(title, tell(found.title));
    document.title = `${tell(found.title)} · chainrule`;
  });
  const asked_ = el("button", { type: "button", class: "asked", click: () => dialog.showModal() }, "?");
  told(asked_, () => asked_.setAttribute("aria-label", say(W.help)));
  document.body.append(
    el("header", {}, title, verdict(), el("div", { class: "settings" }, ...settings, asked_)),
    el("main", {}, el("div", { class: "stage" }, layers(), image), inspector),
    stages(), dialog,
  );
  const asked = languageInAddress() ?? (languageWasChosen() ? null : page.open);
  if (asked) showLanguage(asked);
  startImage();
  startInspector();
  const write_ = keepAddress();
  told(title, () => {
    write(title, tell(found.title));
    document.title = `${tell(found.title)} · chainrule`;
    write_();
  });
  keys(dialog);
  document.documentElement.dataset["ready"] = language();
}

begin();
