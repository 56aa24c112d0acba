// What the run told so far: the same record that the run keeps, and grows by the same events.

export interface Histogram { low: number; high: number; counts: number[] }
export interface Layer { name: string; kind: string; parameters: number }
export interface Picture { shape: number[]; data: string }
export interface Kernels { layer: string; shape: number[]; limit: number; data: string }
export interface Prediction {
  /** Numbers, or of a text what follows and what was expected, place by place. */
  true?: number | string; predicted?: number | string; probability?: number; right?: number;
}
export interface Written { prompt: string; text: string }
export interface LayerRow {
  [statistic: string]: number | Histogram | null | undefined;
  weights?: Histogram | null;
  gradients?: Histogram | null;
}
export interface About {
  model: string; parameters: number; loss: string; optimizer: string; epochs: number;
  steps_per_epoch: number | null; first_step: number; layers: Layer[]; metrics: string[];
  classes: string[]; validation: boolean; pictures: Picture[]; language: string;
}
export interface State { state: string; reason?: string | null; broken?: string | null }
export interface Tick {
  step: number; epoch: number; batch?: number; seconds?: number; steps?: number;
  lr?: number | null; so_far?: Record<string, number>; points?: [number, number][]; epochs?: Record<string, number>[];
}
export interface Row { step: number; layers: Record<string, LayerRow> }
export interface Look extends Row {
  kernels?: Kernels | null; predictions?: Prediction[]; written?: Written | null;
}

const MOST_POINTS = 4000;
const MOST_ROWS = 800;

/** Numbers that JSON cannot write came as words. */
export function revive(_key: string, value: unknown): unknown {
  if (value === "NaN") return NaN;
  if (value === "Infinity") return Infinity;
  return value === "-Infinity" ? -Infinity : value;
}

export class Store {
  about: About | null = null;
  state: State = { state: "connecting" };
  points: [number, number][] = [];
  ticks: Tick[] = [];
  epochs: Record<string, number>[] = [];
  rows: Row[] = [];
  last: Look | null = null;

  apply(kind: string, content: unknown): void {
    if (kind === "snapshot") {
      Object.assign(this, content as Store);
    } else if (kind === "state") {
      this.state = content as State;
    } else if (kind === "tick") {
      const { points = [], epochs = [], ...tick } = content as Tick;
      this.points = halved([...this.points, ...points], MOST_POINTS);
      this.epochs = halved([...this.epochs, ...epochs], MOST_POINTS);
      this.ticks = halved([...this.ticks, tick], MOST_POINTS);
    } else if (kind === "layers") {
      this.last = content as Look;
      this.rows = halved([...this.rows, this.last], MOST_ROWS);
    }
  }

  /** The newest tick that says how far the run is. */
  get now(): Tick | null {
    return this.ticks.at(-1) ?? null;
  }
}

/** Every second one, the last kept, where there are too many. */
function halved<T>(list: T[], most: number): T[] {
  return list.length < most ? list : list.filter((_, i) => (list.length - 1 - i) % 2 === 0);
}
