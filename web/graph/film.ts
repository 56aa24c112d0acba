// The scrubber: forward, backward and update, one step after the other.

import { el, write } from "../shared/dom";
import { number } from "../shared/format";
import { say, told, type Words } from "../shared/words";
import { nodes, real, tell, type Phase } from "./data";
import { nameOf } from "./formulas";
import { goTo, on, play, state, stepNow } from "./state";
import { W } from "./words";

const PAUSE = 900;
const phases: [Phase, Words][] = [
  ["forward", W.forward], ["backward", W.backward], ["update", W.update],
];

let timer = 0;
const caption = el("p", { class: "caption", "aria-live": "polite" });
const slider = el("input", { type: "range", min: 0, max: 0, value: 0, step: 1, class: "slider" });
const playButton = el("button", { type: "button", class: "main play", click: () => toggle() });

// Drawn, for not every font has signs for them.
const SIGNS: Record<string, string> = {
  first: "M3 3h2v10H3zM13 3v10L6 8z", previous: "M11 3v10L4 8z", play: "M4 2.5v11L13 8z",
  pause: "M4 3h3v10H4zM9 3h3v10H9z", next: "M5 3v10l7-5z", last: "M11 3h2v10h-2zM3 3v10l7-5z",
};

function icon(name: string): SVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", SIGNS[name] ?? "");
  svg.append(path);
  return svg;
}

function button(words: Words, sign: string, to: () => number): HTMLElement {
  const out = el("button", { type: "button", click: () => {
    stop();
    goTo(to());
  } }, icon(sign));
  told(out, () => {
    out.setAttribute("aria-label", say(words));
    out.title = say(words);
  });
  return out;
}

export function step(by: number): void {
  stop();
  goTo(state.step + by);
}

export function jump(to: number): void {
  stop();
  goTo(to < 0 ? play.length : to);
}

function stop(): void {
  clearInterval(timer);
  timer = 0;
  showPlay();
}

/** Plays on, or from the start if it is at the end; or pauses. */
export function toggle(): void {
  if (timer) {
    stop();
    return;
  }
  if (state.step >= play.length) goTo(0);
  else goTo(state.step + 1);
  timer = window.setInterval(() => {
    if (state.step >= play.length) stop();
    else goTo(state.step + 1);
  }, PAUSE);
  showPlay();
}

function showPlay(): void {
  playButton.replaceChildren(icon(timer ? "pause" : "play"));
  const words = say(timer ? W.pause : W.play);
  playButton.setAttribute("aria-label", words);
  playButton.title = words;
}

/** The place of the step that is shown among those of its phase. */
export function placeOf(index: number): { n: number; of: number } {
  const phase = play[index]?.phase;
  const first = play.findIndex((each) => each.phase === phase);
  return { n: index - first + 1, of: play.filter((each) => each.phase === phase).length };
}

function showStep(): void {
  const now = stepNow();
  slider.value = String(state.step);
  if (!now) {
    write(caption, say(W.overview));
    slider.setAttribute("aria-valuetext", say(W.overview));
  } else {
    const words = phases.find(([phase]) => phase === now.phase)![1];
    const { n, of } = placeOf(state.step - 1);
    const where = say(W.stepOf, { phase: say(words), n, total: of });
    caption.replaceChildren(
      el("b", { class: now.phase }, where), " ", el("span", {}, `${nameOf(now.node)}: ${tell(now.text)}`),
    );
    slider.setAttribute("aria-valuetext", `${where}: ${tell(now.text)}`);
  }
  for (const bar of bars.children) {
    bar.classList.toggle("here", Number((bar as HTMLElement).dataset["step"]) === state.step);
  }
}

/** A bar for each step: its height is the logarithm of the gradient's norm. */
const bars = el("div", { class: "bars", "aria-hidden": "true" });

let drawn: typeof play | null = null;

function drawBars(): void {
  if (drawn === play) return;
  drawn = play;
  bars.replaceChildren();
  slider.max = String(play.length);
  for (const [phase, button] of shares) {
    button.style.flexGrow = String(play.filter((each) => each.phase === phase).length);
  }
  const normOf = (id: string): number | null => real(nodes.get(id)?.gradient_norm ?? null);
  const all = play.flatMap((each) => (each.phase === "forward" ? [] : normOf(each.node) || []));
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const span = Math.log10(high / low) || 1;
  play.forEach((each, i) => {
    const bar = el("span", { class: each.phase, "data-step": i + 1 });
    const norm = each.phase === "forward" ? null : normOf(each.node);
    const share = norm ? Math.log10(norm / low) / span : 0;
    bar.style.height = `${each.phase === "forward" ? 22 : 14 + 86 * share}%`;
    bar.title = `${nameOf(each.node)}${norm === null ? "" : ` ${number(norm)}`}`;
    bar.addEventListener("click", () => jump(i + 1));
    bars.append(bar);
  });
}

const shares = new Map<Phase, HTMLElement>();

export function film(): HTMLElement {
  const legend = el("div", { class: "phases" });
  for (const [phase, words] of phases) {
    const first = (): number => play.findIndex((each) => each.phase === phase);
    if (first() < 0) continue;
    const out = el("button", { type: "button", class: `phase ${phase}`, click: () => jump(first() + 1) });
    shares.set(phase, out);
    told(out, () => write(out, say(words)));
    legend.append(out);
  }
  drawBars();
  slider.addEventListener("input", () => {
    stop();
    goTo(slider.valueAsNumber);
  });
  told(slider, () => {
    slider.setAttribute("aria-label", say(W.film));
    showStep();
    showPlay();
  });
  on("folded", drawBars);
  on("step", showStep);
  return el("section", { class: "film" },
    el("div", { class: "controls" },
      button(W.first, "first", () => 0), button(W.previous, "previous", () => state.step - 1), playButton,
      button(W.next, "next", () => state.step + 1), button(W.last, "last", () => play.length)),
    el("div", { class: "track" }, bars, slider, legend), caption);
}
