// What the network says of a few samples.

import { el } from "../shared/dom";
import { number, percent } from "../shared/format";
import { say, text, type Words } from "../shared/words";
import { photograph } from "./pictures";
import type { About, Prediction, Written } from "./store";
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
    if (typeof of.true === "string" && typeof of.predicted === "string") {
      return el("li", { class: "card text" },
        line(TEXT.follows, el("span", {}, visible(of.true))),
        line(TEXT.expects, ...compared(of.true, of.predicted)),
        el("div", { class: "said" }, say(TEXT.right, { share: percent(of.right) })));
    }
    if (of.right !== undefined) {
      return el("li", { class: "card" }, picture,
        el("div", { class: "said" }, say(TEXT.right, { share: percent(of.right) })));
    }
    const classes = of.probability !== undefined;
    const name = (given: number | string | undefined): string => {
      const value = Number(given ?? NaN);
      return classes ? about.classes[value] ?? number(value) : number(value);
    };
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

/** What a network wrote: the text that it was given, and its own. */
export function written(of: Written | null | undefined): HTMLElement | null {
  if (!of) return null;
  return el("div", { class: "card text" }, el("h3", {}, text(TEXT.written)),
    el("pre", {}, el("span", { class: "hint" }, visible(of.prompt)), visible(of.text)));
}

function line(words: Words, ...characters: HTMLElement[]): HTMLElement {
  return el("div", {}, el("div", { class: "hint" }, text(words)), el("pre", {}, ...characters));
}

/** Line ends as signs, so that both lines stay one. */
function visible(of: string): string {
  return of.replace(/\n/g, "⏎").replace(/\t/g, "⇥");
}

/** The characters expected, in pieces that are right or wrong. */
function compared(follows: string, expected: string): HTMLElement[] {
  const [right, said] = [[...follows], [...expected]];
  const pieces: HTMLElement[] = [];
  let from = 0;
  for (let i = 1; i <= said.length; i++) {
    const same = said[from] === right[from];
    if (i < said.length && (said[i] === right[i]) === same) continue;
    const kind = same ? "good" : "bad";
    pieces.push(el("span", { class: kind }, visible(said.slice(from, i).join(""))));
    from = i;
  }
  return pieces;
}
