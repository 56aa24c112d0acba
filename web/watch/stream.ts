// The stream of events and the buttons' requests. The browser reconnects by itself and names the
// event that it saw last; the run then sends what was missed.

import { revive, type Store } from "./store";

const KINDS = ["snapshot", "state", "tick", "layers"];
const ENDED = new Set(["finished", "interrupted", "stopped", "failed"]);
const AGAIN = 3000;

export type Connection = "connecting" | "open" | "lost" | "gone";

/** Feeds the store; `changed` is called after each event, `connected` when the line changes. */
export function listen(
  store: Store, changed: (kind: string) => void, connected: (state: Connection) => void,
): void {
  let tries = 0;
  const open = (): void => {
    const source = new EventSource(`events${location.search}`);
    source.addEventListener("open", () => { tries = 0; connected("open"); });
    for (const kind of KINDS) {
      source.addEventListener(kind, (event) => {
        store.apply(kind, JSON.parse((event as MessageEvent<string>).data, revive));
        changed(kind);
        // Nothing comes after the end, and the browser would knock for ever.
        if (ENDED.has(store.state.state)) source.close();
      });
    }
    source.addEventListener("error", () => {
      if (ENDED.has(store.state.state)) return;
      if (source.readyState !== EventSource.CLOSED) {
        connected("lost");
        return;
      }
      // Refused, as by another run on this port.
      tries += 1;
      connected(tries > 5 ? "gone" : "lost");
      if (tries <= 5) setTimeout(open, AGAIN);
    });
  };
  open();
}

/** Asks the run for something; the reason if it was refused. */
export async function ask(action: string): Promise<string | null> {
  try {
    const answer = await fetch(`control${location.search}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ action }),
    });
    return answer.ok ? null : await answer.text();
  } catch (error) {
    return String(error);
  }
}
