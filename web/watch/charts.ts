// Curves over the steps of the run.

import uPlot from "uplot";
import { colour, el, write } from "../shared/dom";
import { number } from "../shared/format";
import { say, text, told, type Words } from "../shared/words";

export interface Series {
  name: () => string;
  /** A custom property of the theme. */
  colour: string;
  dashed?: boolean;
  thin?: boolean;
  /** Single points, which a line may be too short to show. */
  dots?: boolean;
  hidden?: boolean;
}

export interface Curves {
  series: Series[];
  /** [steps, values] of each series. */
  data: [number[], (number | null)[]][];
}

const HEIGHT = 200;

export class Chart {
  readonly element: HTMLElement;
  private readonly plot = el("div", { class: "plot" });
  private readonly none = el("p", { class: "hint" }, text(["Nothing of this kind here.", "这里没有这类数据。"]));
  private readonly legend = el("ul", { class: "legend" });
  private readonly hidden = new Set<string>();
  private chart: uPlot | null = null;
  private shape = "";
  private values: HTMLElement[] = [];

  constructor(
    private readonly title: Words,
    private readonly curves: () => Curves,
    private readonly options: { log?: boolean; note?: Words; share?: boolean; format?: (value: number) => string } = {},
  ) {
    const notes = [options.log ? text(["logarithmic", "对数轴"]) : null,
      options.note ? text(options.note) : null];
    this.element = el("figure", { class: "card chart" },
      el("h3", {}, text(title), ...notes.map((note) => note && el("span", { class: "hint" }, note))),
      this.none, this.plot, this.legend);
    told(this.plot, () => {
      this.plot.setAttribute("role", "img");
      this.plot.setAttribute("aria-label", say(this.title));
      this.rebuild();
    });
    new ResizeObserver(() => this.resize()).observe(this.plot);
  }

  /** Makes the chart anew, as after a change of the theme. */
  rebuild(): void {
    this.shape = "";
    this.draw();
  }

  draw(): void {
    const { series, data } = this.curves();
    const width = this.plot.clientWidth;
    this.none.hidden = series.length > 0;
    if (!width || !series.length) return;
    const shape = series.map((each) => each.name()).join("\n");
    if (shape !== this.shape) this.make(series, width);
    this.shape = shape;
    const logged = this.options.log
      ? data.map(([x, y]): [number[], (number | null)[]] =>
        [x, y.map((value) => (value !== null && value > 0 ? value : null))])
      : data;
    const finite = logged.map(([x, y]): uPlot.AlignedData =>
      [x, y.map((value) => (value !== null && Number.isFinite(value) ? value : null))]);
    const joined = uPlot.join(finite);
    this.chart?.setData(joined);
    data.forEach(([, y], i) => {
      const value = this.values[i];
      if (value) write(value, this.format(y.at(-1)));
    });
  }

  private format(value: number | null | undefined): string {
    if (value === null || value === undefined) return "";
    return this.options.format ? this.options.format(value) : number(value);
  }

  /** A number beside the axis: no more digits than it needs. */
  private mark(value: number): string {
    if (this.options.format) return this.options.format(value);
    const size = Math.abs(value);
    return size !== 0 && (size < 1e-3 || size >= 1e5)
      ? value.toExponential().replace("e+", "e") : String(Number(value.toPrecision(6)));
  }

  private scale(): uPlot.Scale {
    if (this.options.log) return { distr: 3 };
    return this.options.share ? { range: (_, __, most) => [0, Math.min(1, 1.1 * most || 0.1)] } : {};
  }

  private make(series: Series[], width: number): void {
    this.chart?.destroy();
    const [soft, rule] = [colour("soft"), colour("rule")];
    const axis: uPlot.Axis = {
      stroke: soft, grid: { stroke: rule, width: 1 }, ticks: { stroke: rule, width: 1, size: 4 },
      font: "11px system-ui, sans-serif",
    };
    const short = (value: number): string => {
      if (value >= 1e6) return `${value / 1e6}M`;
      return value >= 1e4 ? `${value / 1e3}k` : String(value);
    };
    this.chart = new uPlot({
      width, height: HEIGHT,
      legend: { show: false },
      cursor: { y: false, drag: { x: true, y: false }, points: { size: 6 } },
      scales: { x: { time: false }, y: this.scale() },
      axes: [
        { ...axis, size: 26, space: 70, values: (_, splits) => splits.map(short) },
        {
          ...axis, size: 58,
          values: (_, splits) => splits.map((v) => (v === null ? "" : this.mark(v))),
        },
      ],
      series: [{}, ...series.map((each) => ({
        label: each.name(),
        show: !this.hidden.has(each.name()),
        stroke: each.thin ? faint(colour(each.colour)) : colour(each.colour),
        width: each.thin ? 1 : 2,
        ...(each.dashed ? { dash: [5, 4] } : {}),
        points: {
          show: (chart: uPlot, index: number) => fewer(chart.data[index], each.dots ? 40 : 3),
          size: 5,
          fill: colour(each.colour),
        },
        spanGaps: true,
      }))],
      hooks: { setCursor: [(chart) => this.point(chart)] },
    }, [[], ...series.map(() => [])], this.plot);
    this.values = series.map(() => el("b"));
    this.legend.replaceChildren(...series.map((each, i) => {
      const button = el("button", {
        type: "button",
        "aria-pressed": String(!this.hidden.has(each.name())),
        click: () => {
          const show = this.hidden.delete(each.name()) || (this.hidden.add(each.name()), false);
          this.chart?.setSeries(i + 1, { show });
          button.setAttribute("aria-pressed", String(show));
        },
      },
      el("span", { class: "swatch", "data-colour": each.colour, "data-line": each.dashed ? "dashed" : each.thin ? "thin" : null }),
      el("span", {}, each.name()), this.values[i] ?? null);
      return el("li", {}, button);
    }));
  }

  /** The legend shows the values under the pointer. */
  private point(chart: uPlot): void {
    const index = chart.cursor.idx;
    if (index === null || index === undefined) return;
    this.values.forEach((value, i) => {
      const y = chart.data[i + 1];
      // A series has its own steps: the last one up to here counts.
      let at = index;
      while (y && at > 0 && (y[at] === null || y[at] === undefined)) at -= 1;
      const found = y?.[at];
      if (found !== null && found !== undefined) write(value, this.format(found));
    });
  }

  private resize(): void {
    const width = this.plot.clientWidth;
    if (this.chart && width && width !== this.chart.width) {
      this.chart.setSize({ width, height: HEIGHT });
    } else if (!this.chart) {
      this.draw();
    }
  }
}

/** Whether there are so few values that dots help to see them. */
function fewer(values: uPlot.AlignedData[number] | undefined, most: number): boolean {
  return [...(values ?? [])].filter((value) => typeof value === "number").length < most;
}

function faint(rgb: string): string {
  return rgb.replace(/^rgb\((.*)\)$/, "rgba($1, 0.3)");
}
