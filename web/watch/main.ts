// The page: built once the run has said what it is, then kept up to date.

import { el, write } from "../shared/dom";
import { duration, number } from "../shared/format";
import { languageWasChosen, showLanguage, switches } from "../shared/switches";
import { say, text, told, type Words } from "../shared/words";
import { Chart } from "./charts";
import { chosen, deadAndSaturated, loss, metric, ofLayers, rate } from "./curves";
import { LayerCard } from "./layers";
import { kernels, ramp } from "./pictures";
import { Samples, written } from "./samples";
import { Store, type About } from "./store";
import { ask, listen, type Connection } from "./stream";
import { METRICS, STATES, TEXT } from "./texts";

const store = new Store();
const samples = new Samples();
let connection: Connection = "connecting";
let charts: Chart[] = [];
let cards: LayerCard[] = [];
let built: About | null = null;
let lookDrawn: unknown = null;

// ---- head ----------------------------------------------------------------------------------

const RUNNING = new Set(["running", "pausing", "paused"]);
const title = el("h1", {}, "chainrule");
const state = el("span", { class: "state", role: "status" });
const note = el("p", { class: "note", hidden: true });

function button(words: Words, key: Words | null, act: () => void): HTMLButtonElement {
  return el("button", {
    type: "button",
    disabled: true,
    click: (event) => {
      // After the pointer the keys are the page's again.
      if ((event as MouseEvent).detail) (event.currentTarget as HTMLElement).blur();
      act();
    },
  }, text(words), key ? el("kbd", { "aria-hidden": "true" }, text(key)) : null);
}

async function send(action: string): Promise<void> {
  const refused = await ask(action);
  note.hidden = refused === null;
  if (refused !== null) write(note, say(TEXT.unsent, { reason: refused }));
}

const waits = (): boolean => store.state.state === "paused" || store.state.state === "pausing";
const toggle = (): void => void send(waits() ? "resume" : "pause");
const pause = button(TEXT.pause, TEXT.space, toggle);
const resume = button(TEXT.resume, TEXT.space, toggle);
const step = button(TEXT.step, ["s", "s"], () => void send("step"));
const stop = button(TEXT.stop, null, () => {
  if (!sure) {
    beSure(true);
    setTimeout(() => beSure(false), 4000);
    return;
  }
  beSure(false);
  void send("stop");
});
pause.classList.add("main");
resume.classList.add("main");
let sure = false;

function beSure(now: boolean): void {
  sure = now;
  stop.classList.toggle("sure", now);
  stop.replaceChildren(text(now ? TEXT.sure : TEXT.stop));
}

addEventListener("keydown", (event) => {
  const target = event.target instanceof Element ? event.target : document.body;
  if (event.ctrlKey || event.metaKey || event.altKey || target.closest("textarea, select")) return;
  if (event.key === " " && !target.closest("button, input")) {
    event.preventDefault();
    if (!pause.disabled) toggle();
  } else if (event.key === "s" && !step.disabled) {
    void send("step");
  }
});

// ---- body ----------------------------------------------------------------------------------

const summary = el("p", { class: "hint" });
const broken = el("p", { class: "note", hidden: true });
const bar = el("progress", { max: 1, value: 0 });
const tiles = el("dl", { class: "tiles" });
const body = el("div");
const kernelBox = el("div", { class: "card" });
const kernelTitle = el("h2");
const sampleList = el("ul", { class: "samples" });
const writtenBox = el("div");
const sampleHint = el("p", { class: "hint" });
const layersHint = el("p", { class: "hint" });

function tile(name: string, value: string, of: string | null = null): HTMLElement {
  return el("div", { class: "card" }, el("dt", {}, name),
    el("dd", {}, value, of === null ? null : el("small", {}, ` / ${of}`)));
}

const metricName = (name: string): Words => METRICS[name] ?? [name, name];

function build(about: About): void {
  write(title, about.model);
  charts = [
    new Chart(TEXT.loss, () => loss(store)),
    ...about.metrics.map((name) => new Chart(metricName(name), () => metric(store, name))),
    new Chart(TEXT.rate, () => rate(store)),
  ];
  const inside = [
    new Chart(TEXT.grad_norm, () => ofLayers(store, "grad_norm"), { log: true }),
    new Chart(TEXT.update_ratio, () => ofLayers(store, "update_ratio"), { log: true }),
    new Chart(TEXT.act_norm, () => ofLayers(store, "act_norm")),
    new Chart(TEXT.deadSaturated, () => deadAndSaturated(store), {
      share: true,
      format: (value) => `${Number((100 * value).toPrecision(3))} %`,
    }),
  ];
  const colours = new Map(chosen(about.layers).map((layer, i) => [layer.name, `c${i % 8}`]));
  cards = about.layers.map((layer) => new LayerCard(layer, colours.get(layer.name) ?? null));
  body.replaceChildren(
    el("section", { id: "curves" }, el("h2", {}, text(TEXT.curves)),
      el("p", { class: "hint" }, text(TEXT.curvesHint)),
      el("div", { class: "grid" }, ...charts.map((chart) => chart.element))),
    el("section", { id: "layers" }, el("h2", {}, text(TEXT.layers)), layersHint,
      el("div", { class: "grid two" }, ...inside.map((chart) => chart.element)),
      el("ul", { class: "layers" }, ...cards.map((card) => card.element))),
    el("section", { id: "kernels" }, kernelTitle, el("p", { class: "hint" }, text(TEXT.kernelsHint)),
      kernelBox),
    el("section", { id: "predictions" }, el("h2", {}, text(TEXT.predictions)), sampleHint, sampleList,
      writtenBox),
  );
  charts.push(...inside);
}

// ---- keeping up ----------------------------------------------------------------------------

function drawState(): void {
  const ended = !RUNNING.has(store.state.state) && store.state.state !== "connecting"
    && store.state.state !== "stopping";
  const name = connection === "open" || ended ? store.state.state : connection;
  state.dataset["state"] = name;
  write(state, say(STATES[name] ?? [name, name]));
  const able = connection === "open" && RUNNING.has(store.state.state);
  for (const each of [pause, resume, step, stop]) each.disabled = !able;
  pause.hidden = waits();
  resume.hidden = !waits();
  const { reason, broken: why } = store.state;
  broken.hidden = !reason && !why;
  if (reason) write(broken, say(TEXT.reason, { reason }));
  else if (why) write(broken, say(TEXT.broken, { reason: why }));
}

function drawTiles(about: About): void {
  const now = store.now;
  const total = about.steps_per_epoch ? about.steps_per_epoch * about.epochs : null;
  const lossNow = store.points.at(-1)?.[1];
  const seconds = now?.seconds ?? 0;
  const speed = now?.steps && seconds ? now.steps / seconds : null;
  const epochNow = Math.min(now?.epoch ?? 1, about.epochs);
  const found = [
    tile(say(TEXT.epoch), number(epochNow), number(about.epochs)),
    tile(say(TEXT.steps), number(now?.step ?? 0), total ? number(total) : null),
    tile(say(TEXT.loss), number(lossNow)),
  ];
  for (const name of about.metrics) found.push(tile(say(metricName(name)), number(now?.so_far?.[name])));
  const row = store.epochs.at(-1);
  for (const name of ["val_loss", ...about.metrics.map((each) => `val_${each}`)]) {
    if (row?.[name] !== undefined) {
      const words = metricName(name.slice(4));
      found.push(tile(say(TEXT.ofValidation, { name: say(words) }), number(row[name])));
    }
  }
  found.push(tile(say(TEXT.rate), number(now?.lr)));
  if (speed) found.push(tile(say(TEXT.speed), number(Number(speed.toPrecision(3)))));
  found.push(tile(say(TEXT.time), duration(seconds)));
  if (total && speed && now && RUNNING.has(store.state.state)) {
    found.push(tile(say(TEXT.left), duration((total - now.step) / speed)));
  }
  tiles.replaceChildren(...found);
  bar.hidden = !total;
  if (total) bar.value = (now?.step ?? 0) / total;
  document.title = `${number(lossNow)} · ${about.model} · chainrule`;
}

function drawLook(about: About): void {
  const look = store.last;
  write(layersHint, look ? say(TEXT.layersHint, { step: number(look.step) }) : say(TEXT.noLooks));
  for (const card of cards) card.draw(look);
  const of = look?.kernels;
  write(kernelTitle, of ? say(TEXT.kernels, { layer: of.layer }) : say(TEXT.kernelsTitle));
  if (of) {
    const label = (index: number): string => say(TEXT.kernel, { layer: of.layer, index });
    kernelBox.replaceChildren(
      el("div", { class: "ramp" }, `−${number(of.limit)}`, ramp(), `+${number(of.limit)}`),
      el("ul", { class: "pictures" },
        ...kernels(of, label).map((picture, i) => el("li", {}, picture, String(i)))));
  } else {
    kernelBox.replaceChildren(el("p", { class: "hint" }, say(look ? TEXT.noKernels : TEXT.noLooks)));
  }
  const predictions = look?.predictions ?? [];
  const hint = about.validation ? TEXT.predictionsHint : TEXT.predictionsTraining;
  write(sampleHint, say(predictions.length ? hint : look ? TEXT.noPredictions : TEXT.noLooks));
  sampleList.classList.toggle("texts", predictions.some((each) => typeof each.true === "string"));
  sampleList.replaceChildren(...samples.items(about, predictions));
  const own = written(look?.written);
  writtenBox.replaceChildren(...(own ? [own] : []));
}

let waiting = false;

/** Draws before the next frame, all that came until then at once. */
function draw(): void {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    drawState();
    const about = store.about;
    if (!about) return;
    if (about !== built) {
      built = about;
      lookDrawn = null;
      if (!languageWasChosen() && (about.language === "zh" || about.language === "en")) {
        showLanguage(about.language);
      }
      build(about);
    }
    write(summary, say(TEXT.summary, {
      parameters: number(about.parameters), loss: about.loss, optimizer: about.optimizer,
      epochs: about.epochs,
    }));
    drawTiles(about);
    for (const chart of charts) chart.draw();
    if (lookDrawn !== store.last || !store.last) {
      lookDrawn = store.last;
      drawLook(about);
    }
  });
}

const settings = el("div", { class: "settings" }, ...switches(() => {
  lookDrawn = null;
  for (const chart of charts) chart.rebuild();
  draw();
}));
document.body.append(
  el("header", {}, title, state, el("div", { class: "buttons" }, pause, resume, step, stop), settings),
  el("main", {}, summary, note, broken, tiles, bar, body,
    el("footer", { class: "hint" }, text(TEXT.keys))),
);
told(document, () => {
  lookDrawn = null;
  draw();
});
listen(store, draw, (now) => {
  connection = now;
  draw();
});
