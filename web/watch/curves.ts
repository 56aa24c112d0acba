// Which curves there are, and their numbers, out of the store.

import { say, type Words } from "../shared/words";
import type { Curves, Series } from "./charts";
import type { Layer, Store } from "./store";
import { TEXT } from "./texts";

type Points = [number[], (number | null)[]];

/** Layers that the charts show when there are too many: evenly spaced, first and last among them. */
export function chosen(layers: Layer[], most = 8): Layer[] {
  const able = layers.filter((layer) => layer.parameters > 0);
  const from = able.length ? able : layers;
  if (from.length <= most) return from;
  const pick = (i: number): number => Math.round((i * (from.length - 1)) / (most - 1));
  return Array.from({ length: most }, (_, i) => from[pick(i)]).filter((l) => l !== undefined);
}

export function loss(store: Store): Curves {
  const [steps, values] = [store.points.map((p) => p[0]), store.points.map((p) => p[1])];
  const series: Series[] = [
    { name: () => say(TEXT.training), colour: "train", thin: true },
    { name: () => say(TEXT.smoothed), colour: "train" },
  ];
  const data: Points[] = [[steps, values], [steps, smoothed(values)]];
  if (store.about?.validation) {
    series.push({ name: () => say(TEXT.validation), colour: "val", dots: true });
    data.push(ofEpochs(store, "val_loss"));
  }
  return { series, data };
}

/** A metric: over the epoch in progress, and of the validation data. */
export function metric(store: Store, name: string): Curves {
  const ticks = store.ticks.filter((tick) => tick.so_far?.[name] !== undefined);
  const series: Series[] = [{ name: () => say(TEXT.ofEpoch), colour: "train" }];
  const data: Points[] = [[ticks.map((t) => t.step), ticks.map((t) => t.so_far?.[name] ?? null)]];
  if (store.about?.validation) {
    series.push({ name: () => say(TEXT.validation), colour: "val", dots: true });
    data.push(ofEpochs(store, `val_${name}`));
  }
  return { series, data };
}

export function rate(store: Store): Curves {
  const ticks = store.ticks.filter((tick) => typeof tick.lr === "number");
  return {
    series: [{ name: () => say(TEXT.rate), colour: "c2" }],
    data: [[ticks.map((t) => t.step), ticks.map((t) => t.lr ?? null)]],
  };
}

/** A statistic of the layers, one line each. */
export function ofLayers(store: Store, statistic: string, words?: Words): Curves {
  const series: Series[] = [];
  const data: Points[] = [];
  // Dead and saturated are of activations, which have no parameters.
  const all = store.about?.layers ?? [];
  const known = all.filter((layer) =>
    store.rows.some((row) => typeof row.layers[layer.name]?.[statistic] === "number"));
  const colours = new Map(chosen(all).map((layer, i) => [layer.name, `c${i % 8}`]));
  const own = known.filter((layer) => colours.has(layer.name));
  for (const [i, layer] of (own.length && !words ? own : chosen(known)).entries()) {
    series.push({
      name: () => (words ? say(words, { layer: layer.name }) : layer.name),
      colour: (words ? undefined : colours.get(layer.name)) ?? `c${i % 8}`,
    });
    data.push([
      store.rows.map((row) => row.step),
      store.rows.map((row) => {
        const value = row.layers[layer.name]?.[statistic];
        return typeof value === "number" ? value : null;
      }),
    ]);
  }
  return { series, data };
}

export function deadAndSaturated(store: Store): Curves {
  const dead = ofLayers(store, "dead", TEXT.deadOf);
  const saturated = ofLayers(store, "saturated", TEXT.saturatedOf);
  const dashed = saturated.series.map((series) => ({ ...series, dashed: true }));
  return { series: [...dead.series, ...dashed], data: [...dead.data, ...saturated.data] };
}

function ofEpochs(store: Store, name: string): Points {
  const rows = store.epochs.filter((row) => row[name] !== undefined);
  return [rows.map((row) => row["step"] ?? 0), rows.map((row) => row[name] ?? null)];
}

/** The mean with weights that halve each few points. */
function smoothed(values: number[]): number[] {
  const keep = values.length > 60 ? 0.9 : 0.7;
  let [mean, weight] = [0, 0];
  return values.map((value) => {
    if (Number.isFinite(value)) {
      mean = keep * mean + (1 - keep) * value;
      weight = keep * weight + (1 - keep);
    }
    return weight ? mean / weight : value;
  });
}
