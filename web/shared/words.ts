// Texts in two languages: each is a pair, and what shows one is told when the language changes.

import { el, write } from "./dom";

export type Language = "en" | "zh";
export type Words = readonly [en: string, zh: string];

let current: Language = navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
// Whether each node was on the page already: one that was and is no more is forgotten.
const shown = new Map<Node, { show: () => void; seen: boolean }>();

export const language = (): Language => current;

/** The words in the current language, with `{names}` filled in. */
export function say(words: Words, fields: Record<string, string | number> = {}): string {
  const text = words[current === "zh" ? 1 : 0];
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(fields[name] ?? whole));
}

/** Runs `show` now and whenever the language changes, until the node is taken off the page. */
export function told(node: Node, show: () => void): void {
  shown.set(node, { show, seen: false });
  show();
}

/** A span that always shows the words in the current language. */
export function text(words: Words): HTMLSpanElement {
  const span = el("span");
  told(span, () => write(span, say(words)));
  return span;
}

export function setLanguage(name: Language): void {
  current = name;
  document.documentElement.lang = name === "zh" ? "zh-Hans" : "en";
  for (const [node, entry] of shown) {
    if (entry.seen && !node.isConnected) {
      shown.delete(node);
      continue;
    }
    entry.seen ||= node.isConnected;
    entry.show();
  }
}
