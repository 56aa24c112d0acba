// One card a layer: its numbers and its histograms.

import { el, write } from "../shared/dom";
import { number, percent } from "../shared/format";
import { say, text, type Words } from "../shared/words";
import { histogram } from "./pictures";
import type { Histogram, Layer, Look } from "./store";
import { TEXT } from "./texts";

const STATISTICS = ["grad_norm", "act_norm", "update_ratio", "dead", "saturated"] as const;
type Statistic = (typeof STATISTICS)[number];
const SHARES = new Set<Statistic>(["dead", "saturated"]);
// More dead or saturated units than this pass no gradient on: worth a look.
const ALARM = 0.5;

interface Figure { box: HTMLElement; canvas: HTMLCanvasElement; ends: [HTMLElement, HTMLElement]; what: Words }

export class LayerCard {
  readonly element: HTMLLIElement;
  private readonly values = new Map<Statistic, [HTMLElement, HTMLElement]>();
  private readonly figures: Record<"weights" | "gradients", Figure>;
  private look: Look | null = null;
  private visible = false;

  constructor(private readonly layer: Layer, colour: string | null) {
    const list = el("dl");
    for (const name of STATISTICS) {
      const pair: [HTMLElement, HTMLElement] = [el("dt", {}, text(TEXT[name])), el("dd")];
      this.values.set(name, pair);
      list.append(...pair);
    }
    this.figures = { weights: figure(TEXT.weights), gradients: figure(TEXT.gradients) };
    this.element = el("li", { class: "card" },
      el("div", { class: "head" },
        el("h3", {}, layer.name),
        colour ? el("span", { class: "swatch", "data-colour": colour }) : null,
        el("span", { class: "hint" },
          layer.parameters ? `${layer.kind} · ${number(layer.parameters)}` : layer.kind)),
      list,
      el("div", { class: "pair" }, this.figures.weights.box, this.figures.gradients.box));
    // Histograms that nobody sees are not drawn.
    new IntersectionObserver((entries) => {
      this.visible = entries.at(-1)?.isIntersecting ?? false;
      if (this.visible) this.draw(this.look);
    }, { rootMargin: "200px" }).observe(this.element);
  }

  draw(look: Look | null): void {
    this.look = look;
    const row = look?.layers[this.layer.name];
    for (const [name, [label, value]] of this.values) {
      const found = row?.[name];
      const known = typeof found === "number";
      label.hidden = value.hidden = !known;
      if (!known) continue;
      write(value, SHARES.has(name) ? percent(found) : number(found));
      value.classList.toggle("alarm", !Number.isFinite(found) || (SHARES.has(name) && found > ALARM));
    }
    this.show(this.figures.weights, row?.weights);
    this.show(this.figures.gradients, row?.gradients);
  }

  private show(on: Figure, of: Histogram | null | undefined): void {
    on.box.hidden = !of;
    if (!of || !this.visible) return;
    histogram(on.canvas, of);
    write(on.ends[0], number(of.low));
    write(on.ends[1], number(of.high));
    on.canvas.setAttribute("aria-label", say(TEXT.histogram, {
      layer: this.layer.name, what: say(on.what), low: number(of.low), high: number(of.high),
    }));
  }
}

function figure(what: Words): Figure {
  const canvas = el("canvas", { role: "img" });
  const ends: [HTMLElement, HTMLElement] = [el("span"), el("span")];
  const box = el("figure", { hidden: true }, el("figcaption", {}, text(what)), canvas,
    el("div", { class: "ends" }, ...ends));
  return { box, canvas, ends, what };
}
