"use strict";
(() => {
  const root = document.documentElement;
  const find = (id) => document.getElementById(id);
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
  const tip = find("tip");
  const language = () => (find("lang-zh").checked ? "zh" : "en");

  // The text of an element in the language that is shown.
  const textOf = (element) => {
    const copy = element.cloneNode(true);
    all(`[lang]:not([lang="${language()}"])`, copy).forEach((other) => other.remove());
    return copy.textContent;
  };

  // Switches: the style sheet does the work, this keeps names and memory in step.
  const remembered = (name) => {
    try { return localStorage.getItem(`chainrule-report-${name}`); } catch { return null; }
  };
  const remember = (name, value) => {
    try { localStorage.setItem(`chainrule-report-${name}`, value); } catch { /* private mode */ }
  };
  const rename = () => {
    root.lang = language() === "zh" ? "zh-Hans" : "en";
    all("[data-en]").forEach((element) => {
      const words = element.dataset[language()];
      element.setAttribute("aria-label", words);
      if (element.alt !== undefined) element.alt = words;
    });
  };
  for (const name of ["lang", "theme"]) {
    const stored = find(`${name}-${remembered(name)}`);
    if (stored) stored.checked = true;
    all(`input[name="${name}"]`).forEach((input) => {
      input.addEventListener("change", () => {
        remember(name, input.id.slice(name.length + 1));
        hide();
        rename();
        describeFilter();
      });
    });
  }

  // Tooltip: beside the point, inside the window.
  const show = (x, y, ...content) => {
    tip.replaceChildren(...content);
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    const left = x + 16 + width > innerWidth - 8 ? x - 16 - width : x + 16;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${Math.max(8, Math.min(y - height / 2, innerHeight - height - 8))}px`;
  };
  const hide = () => { tip.hidden = true; };

  all("[data-tip]").forEach((element) => {
    element.removeAttribute("title");
    const open = () => {
      const box = element.getBoundingClientRect();
      show(box.right, box.top + box.height / 2, element.dataset[language()]);
    };
    element.addEventListener("pointerenter", open);
    element.addEventListener("pointerleave", hide);
    element.addEventListener("focus", open);
    element.addEventListener("blur", hide);
  });

  // Charts: the nearest place on the x axis, its values read from the chart's own table.
  const svg = (name, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
    return element;
  };
  const places = (text) => text.split(",").map((part) => (part === "" ? null : Number(part)));
  const swatch = (style) => {
    const group = svg("g", { class: style });
    group.append(svg("line", { x1: 1, y1: 5, x2: 23, y2: 5, class: "line" }));
    const picture = svg("svg", { viewBox: "0 0 24 10", class: "swatch" });
    picture.append(group);
    return picture;
  };

  all(".chart").forEach((figure) => {
    const plot = figure.querySelector(".plot");
    if (!plot) return;
    const picture = plot.querySelector("svg");
    const xs = places(picture.dataset.x);
    const groups = all(".series", picture).map((group) => ({
      style: group.getAttribute("class").replace("series ", ""),
      ys: places(group.dataset.y),
    }));
    const rows = all("tbody tr", figure);
    const names = all("thead th", figure);
    const bottom = picture.viewBox.baseVal.height - 34;
    const cursor = svg("g", { class: "cursor" });
    picture.append(cursor);
    let at = -1;

    const leave = () => { cursor.replaceChildren(); hide(); };
    const point = (index) => {
      at = Math.max(0, Math.min(xs.length - 1, index));
      cursor.replaceChildren(svg("line", { x1: xs[at], x2: xs[at], y1: 14, y2: bottom }));
      const list = document.createElement("dl");
      const cells = rows[at].children;
      groups.forEach(({ style, ys }, series) => {
        if (ys[at] !== null) {
          const dot = svg("g", { class: style });
          dot.append(svg("circle", { cx: xs[at], cy: ys[at], r: 4 }));
          cursor.append(dot);
        }
        const name = document.createElement("dt");
        name.append(swatch(style), textOf(names[series + 1]));
        const value = document.createElement("dd");
        value.textContent = cells[series + 1].textContent;
        list.append(name, value);
      });
      const head = document.createElement("b");
      head.textContent = `${textOf(names[0])} ${cells[0].textContent}`;
      const box = picture.getBoundingClientRect();
      const scale = box.width / picture.viewBox.baseVal.width;
      show(box.left + xs[at] * scale, box.top + box.height / 2, head, list);
    };
    const follow = (event) => {
      const box = picture.getBoundingClientRect();
      const x = ((event.clientX - box.left) * picture.viewBox.baseVal.width) / box.width;
      let nearest = 0;
      xs.forEach((place, index) => {
        if (Math.abs(place - x) < Math.abs(xs[nearest] - x)) nearest = index;
      });
      point(nearest);
    };
    plot.addEventListener("pointermove", follow);
    plot.addEventListener("pointerdown", follow);
    plot.addEventListener("pointerleave", leave);
    plot.addEventListener("blur", leave);
    plot.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: xs.length - 1 };
      if (event.key === "Escape") leave();
      if (!(event.key in moves)) return;
      event.preventDefault();
      point(moves[event.key]);
    });
  });

  // Confusion matrix: a cell chooses which wrong predictions are shown.
  const cells = all("button[data-true]");
  const status = find("wrong-status");
  const reset = find("wrong-all");
  const everything = status && [...status.childNodes];
  let chosen = null;

  const describeFilter = () => {
    if (!status) return;
    if (chosen) status.replaceChildren(chosen.dataset[language()]);
    else status.replaceChildren(...everything);
  };
  const filter = (cell) => {
    chosen = cell === chosen ? null : cell;
    cells.forEach((each) => each.setAttribute("aria-pressed", String(each === chosen)));
    all(".wrong > li").forEach((item) => {
      item.hidden = chosen !== null
        && (item.dataset.true !== chosen.dataset.true
          || item.dataset.predicted !== chosen.dataset.predicted);
    });
    reset.hidden = chosen === null;
    describeFilter();
    if (chosen) {
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      find("wrong").scrollIntoView({ behavior: calm ? "auto" : "smooth" });
    }
  };
  cells.forEach((cell) => cell.addEventListener("click", () => filter(cell)));
  if (reset) reset.addEventListener("click", () => filter(null));
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  addEventListener("scroll", hide, { passive: true });

  rename();
  root.classList.add("ready");
})();
