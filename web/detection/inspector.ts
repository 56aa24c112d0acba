// What happened to the chosen box at this stage, with its numbers.

import { el } from "../shared/dom";
import { number, percent } from "../shared/format";
import { say, text, told } from "../shared/words";
import { className, found, tell, type Detection, type Line, type Region, type Stage } from "./data";
import { chosen, focusOn, go, on, pickBin, state } from "./state";
import { W } from "./words";

const list = el("ol", { class: "found" });
const body = el("div", { class: "body" });
const extra = el("div", { class: "extra" });
export const inspector = el("aside", { class: "inspector" }, el("h3", {}, text(W.found)), list, body, extra);

// ---- the list -----------------------------------------------------------------------------------

function bar(share: number, kind: string): HTMLElement {
  const inside = el("span", { class: `bar ${kind}` });
  inside.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  return el("span", { class: "track" }, inside);
}

function showList(): void {
  list.replaceChildren(...found.detections.map((each, k) => {
    const button = el("button", {
      type: "button", "aria-pressed": String(k === state.box), click: () => go(state.stage, k),
    }, el("span", { class: "k" }, String(k)), el("b", {}, className(each.label)),
    bar(each.score, `c${each.label % 6}`), el("span", { class: "score" }, each.score.toFixed(3)));
    return el("li", {}, button);
  }));
  if (!found.detections.length) list.replaceChildren(el("li", { class: "hint" }, say(W.nothing)));
  const now = list.children[state.box];
  if (now instanceof HTMLElement) {
    // Only the list moves, never the page.
    const [top, bottom] = [now.offsetTop - list.offsetTop, now.offsetTop - list.offsetTop + now.offsetHeight];
    if (top < list.scrollTop) list.scrollTop = top;
    else if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
  }
}

// ---- one stage ----------------------------------------------------------------------------------

function lineOf(line: Line): HTMLElement {
  const check = line.check;
  const mark = check && el("span", { class: check.right ? "mark right" : "mark wrong" },
    `${check.right ? "✓" : "✗"} ${check.error ? check.error.toExponential(0) : check.error ?? ""}`);
  return el("div", { class: "line" }, el("div", { class: "label" }, el("span", {}, tell(line.label)), mark),
    el("div", { class: "math" }, tell(line.text)));
}

/** The points of the worked bin are in the table of the bin that is picked. */
const shown = (line: Line): boolean => !/^region\.(point|mean)/.test(line.key);

function showStage(stage: Stage): void {
  body.replaceChildren(el("h2", {}, tell(stage.title)), el("p", { class: "hint" }, tell(stage.hint)),
    ...stage.lines.filter(shown).map(lineOf));
}

function classBars(me: Detection): HTMLElement[] {
  return [el("h3", {}, say(W.probabilities)), el("div", { class: "bars" }, ...me.classes.flatMap(([label, p]) => [
    el("span", { class: label === me.label ? "now" : "" }, className(label)), bar(p, label ? `c${label % 6}` : "none"),
    el("span", { class: "score" }, percent(p)),
  ]))];
}

// ---- RoI align ----------------------------------------------------------------------------------

function heat(region: Region): HTMLElement {
  const most = Math.max(1e-12, ...region.pooled.flat().map(Math.abs));
  const rows = region.pooled.map((line, row) => el("tr", {}, ...line.map((value, column) => {
    const button = el("button", {
      type: "button", title: `[${row}, ${column}] ${number(value)}`, "aria-label": `${row}, ${column}: ${number(value)}`,
      "aria-pressed": String(state.bin[0] === row && state.bin[1] === column), click: () => pickBin(row, column),
    });
    button.style.background = `color-mix(in oklab, var(${value < 0 ? "--c0" : "--c1"}) ${
      Math.round((100 * Math.abs(value)) / most)}%, var(--card))`;
    return el("td", {}, button);
  })));
  return el("table", { class: "heat" }, ...rows);
}

function points(region: Region): HTMLElement[] {
  const { down, across, part, bins } = region;
  const [row, column] = state.bin;
  const [tall, wide] = [down.places.length / bins[0], across.places.length / bins[1]];
  const out: HTMLElement[] = [];
  let total = 0;
  for (let i = row * tall; i < (row + 1) * tall; i++) {
    for (let j = column * wide; j < (column + 1) * wide; j++) {
      const ys: [number, number] = down.taps[i] ?? [0, 0];
      const xs: [number, number] = across.taps[j] ?? [0, 0];
      let value = 0;
      const terms: HTMLElement[] = [];
      for (const a of [0, 1] as const) {
        for (const b of [0, 1] as const) {
          const weight = (down.weights[i]?.[a] ?? 0) * (across.weights[j]?.[b] ?? 0);
          const read = part.values[ys[a] - part.row]?.[xs[b] - part.column] ?? 0;
          value += weight * read;
          terms.push(el("tr", {}, el("td", {}, `[${ys[a]}, ${xs[b]}]`), el("td", {}, number(weight)), el("td", {}, number(read)),
            el("td", {}, number(weight * read))));
        }
      }
      total += value;
      const where = `(${number(across.places[j])}, ${number(down.places[i])})`;
      const head = el("tr", {}, el("th", { colspan: 3 }, `${say(W.point)} ${where}`), el("th", {}, number(value)));
      out.push(el("tbody", {}, head, ...terms));
    }
  }
  const model = region.pooled[row]?.[column];
  return [el("h3", {}, say(W.binAt, { row, column })),
    el("table", { class: "points" }, el("thead", {}, el("tr", {}, el("td", {}, say(W.place)), el("td", {}, say(W.weight)),
      el("td", {}, say(W.value)), el("td", {}, "×"))), ...out),
    el("p", { class: "mean" }, say(W.mean, { mean: number(total / (tall * wide)), model: number(model) }))];
}

function showExtra(): void {
  const me = chosen();
  if (state.stage === "overview") extra.replaceChildren(...overview());
  else if (!me) extra.replaceChildren();
  else if (state.stage === "region") {
    const words = say(W.channel, { map: me.region.map, channel: me.region.channel });
    const marks = (me.stages.find((each) => each.key === "region")?.lines ?? []).filter((line) => line.key === "region.mean");
    extra.replaceChildren(el("p", { class: "hint" }, words), heat(me.region), ...points(me.region), ...marks.map(lineOf));
  } else if (state.stage === "class") extra.replaceChildren(...classBars(me));
  else extra.replaceChildren();
}

// ---- the overview -------------------------------------------------------------------------------

function funnel(): HTMLElement {
  const anchors = found.levels.reduce((sum, each) => sum + each.rows * each.columns * each.cell.length, 0);
  const steps: [number, string][] = [
    [anchors, say(W.anchorsCount)], [found.first.box.length, say(W.looked)],
    [found.first.proposals.length, say(W.proposed)],
    [found.second.box.length, say(W.above, { threshold: found.settings.score_threshold })],
    [found.detections.length, say(W.detections)],
  ];
  return el("ol", { class: "funnel" }, ...steps.map(([n, words]) => {
    const share = Math.log(n + 1) / Math.log(anchors + 1);
    return el("li", {}, el("b", {}, n.toLocaleString("en-US")), el("span", {}, words), bar(share, "none"));
  }));
}

function reasons(head: string, lines: [string, string, () => void][], none: string): HTMLElement[] {
  const items = lines.map(([name, why, act]) => el("li", {}, el("button", {
    type: "button", class: "reason", click: act,
  }, el("b", {}, name), el("span", {}, why))));
  return [el("h3", {}, head), items.length ? el("ul", { class: "reasons" }, ...items) : el("p", { class: "hint" }, none)];
}

function overview(): HTMLElement[] {
  const { near, misses, false_alarms: alarms } = found.lost;
  const out = [funnel()];
  if (misses) {
    out.push(...reasons(say(W.misses), misses.map((each) => [
      say(W.object, { k: each.object, name: className(each.label) }), tell(each.text), () => focusOn(each.first),
    ]), say(W.noMisses)));
  }
  if (alarms) {
    out.push(...reasons(say(W.alarms), alarms.map((each) => [
      say(W.box, { k: each.detection }), tell(each.text), () => go("final", each.detection),
    ]), say(W.noAlarms)));
  }
  if (near.length) {
    out.push(...reasons(say(W.near), near.map((each) => [
      say(W.proposal, { k: each.first }), tell(each.text), () => focusOn(each.first),
    ]), ""));
  }
  return out;
}

function show(): void {
  showList();
  const stage = state.stage === "overview" ? null : chosen()?.stages.find((each) => each.key === state.stage);
  if (stage) showStage(stage);
  else body.replaceChildren(el("h2", {}, say(W.overview)), el("p", { class: "hint" }, say(W.overviewHint)));
  showExtra();
  inspector.scrollTop = 0;
}

export function start(): void {
  told(inspector, () => {
    inspector.setAttribute("aria-label", say(W.details));
    show();
  });
  on("stage", show);
  on("bin", showExtra);
}
