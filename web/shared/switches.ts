// The switches for language and brightness; both are remembered, where the browser lets us.

import { el } from "./dom";
import { language, say, setLanguage, text, told, type Language, type Words } from "./words";

const key = (name: string): string => `chainrule-${name}`;

function remembered(name: string): string | null {
  try {
    return localStorage.getItem(key(name));
  } catch {
    return null;
  }
}

function remember(name: string, value: string): void {
  try {
    localStorage.setItem(key(name), value);
  } catch {
    // A private window: the choice lasts as long as the page.
  }
}

function choice(
  name: string,
  label: Words,
  options: [value: string, words: Words][],
  selected: string,
  change: (value: string) => void,
): HTMLElement {
  const group = el("fieldset", { class: "switch" });
  told(group, () => group.setAttribute("aria-label", say(label)));
  for (const [value, words] of options) {
    const input = el("input", {
      type: "radio",
      name,
      id: `${name}-${value}`,
      checked: value === selected,
      change: () => {
        remember(name, value);
        change(value);
      },
    });
    group.append(el("label", {}, input, text(words)));
  }
  return group;
}

/** Whether a language was chosen by hand. */
export const languageWasChosen = (): boolean => remembered("lang") !== null;

/** The language switch shows and sets `name`, without remembering it. */
export function showLanguage(name: Language): void {
  const input = document.getElementById(`lang-${name}`);
  if (input instanceof HTMLInputElement) input.checked = true;
  setLanguage(name);
}

/** Both switches; `themed` is called after the brightness changed. */
export function switches(themed: () => void): HTMLElement[] {
  const stored = remembered("lang");
  const chosen = stored === "en" || stored === "zh" ? stored : language();
  setLanguage(chosen);
  const dim = (theme: string): void => {
    if (theme === "auto") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = theme;
    themed();
  };
  const theme = remembered("theme") ?? "auto";
  dim(theme);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", themed);
  return [
    choice("lang", ["Language", "语言"], [["en", ["English", "English"]], ["zh", ["中文", "中文"]]],
      chosen, (value) => setLanguage(value === "zh" ? "zh" : "en")),
    choice("theme", ["Brightness", "明暗"], [
      ["auto", ["Auto", "自动"]], ["light", ["Light", "浅色"]], ["dark", ["Dark", "深色"]],
    ], theme, dim),
  ];
}
