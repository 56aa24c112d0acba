// What the network says of a few samples.

import { el } from "../shared/dom";
import { number, percent } from "../shared/format";
import { say } from "../shared/words";
import { photograph } from "./pictures";
import type { About, Prediction } from "./store";
import { TEXT } from "./texts";

/** The samples as list items, their pictures made once. */
export class Samples {
  private pictures: HTMLCanvasElement[] = [];
  private about: About | null = null;

  items(about: About, predictions: Prediction[]): HTMLLIElement[] {
    if (about !== this.about) {
      this.about = about;
      this.pictures = about.pictures.map((of, i) => photograph(of, say(TEXT.sample, { index: i + 1 })));
    }
    return predictions.map((prediction, i) => this.item(about, prediction, i));
  }

  private item(about: About, of: Prediction, index: number): HTMLLIElement {
    const picture = this.pictures[index] ?? el("span", { class: "hint" }, say(TEXT.sample, { index: index + 1 }));
    if (of.right !== undefined) {
      return el("li", { class: "card" }, picture,
        el("div", { class: "said" }, say(TEXT.right, { share: percent(of.right) })));
    }
    const classes = of.probability !== undefined;
    const name = (value: number | undefined): string =>
      classes ? about.classes[value ?? -1] ?? number(value) : number(value);
    const right = classes ? of.true === of.predicted : null;
    const mark = right === null ? "" : right ? " ✓" : " ✗";
    const meter = el("i");
    meter.style.width = percent(of.probability ?? 0).replace(" ", "");
    return el("li", { class: "card", "data-right": right === null ? null : String(right) },
      picture,
      el("div", {},
        el("div", { class: "said" }, say(TEXT.says, { name: name(of.predicted) }) + mark),
        el("div", {}, say(TEXT.isTrue, { name: name(of.true) })),
        classes ? el("div", { class: "hint" }, percent(of.probability)) : null,
        classes ? el("div", { class: "meter" }, meter) : null));
  }
}
