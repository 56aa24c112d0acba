// Search without a server: the index of a tree is a script, which pages opened as files may load.
"use strict";
{
  const tree = document.documentElement.dataset.tree + "/";
  const input = document.getElementById("search");
  const list = document.getElementById("found");
  const MOST = 30;
  let asked = false;

  function load() {
    if (asked) return;
    asked = true;
    const script = document.createElement("script");
    script.src = tree + "search.js";
    script.onload = show;
    document.head.append(script);
  }

  // Lower is better: the whole title, its last name, its beginning, within it, in the text.
  function rank(title, text, query, words) {
    const last = title.slice(title.lastIndexOf(".") + 1);
    if (title === query) return 0;
    if (last === query) return 1;
    if (title.startsWith(query) || last.startsWith(query)) return 2;
    if (title.includes(query)) return 3;
    if (words.every((word) => title.includes(word))) return 4;
    if (words.every((word) => title.includes(word) || text.includes(word))) return 5;
    return -1;
  }

  function show() {
    const query = input.value.trim().toLowerCase();
    list.replaceChildren();
    list.hidden = !query || !window.searchIndex;
    if (list.hidden) return;
    const words = query.split(/\s+/);
    const found = [];
    for (const [title, address, text] of window.searchIndex) {
      const place = rank(title.toLowerCase(), text.toLowerCase(), query, words);
      if (place >= 0) found.push([place, title, address, text]);
    }
    found.sort((a, b) => a[0] - b[0] || a[1].length - b[1].length);
    for (const [, title, address, text] of found.slice(0, MOST)) {
      const link = document.createElement("a");
      link.href = tree + address;
      const name = document.createElement("b");
      name.textContent = title;
      const where = document.createElement("small");
      where.textContent = address.split("#")[0].replace(/\.html$/, "");
      const words = document.createElement("span");
      words.textContent = text;
      link.append(name, where, words);
      const item = document.createElement("li");
      item.append(link);
      list.append(item);
    }
  }

  input.addEventListener("focus", load);
  input.addEventListener("input", () => (load(), show()));
  document.addEventListener("keydown", (event) => {
    const links = [...list.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    if (event.key === "/" && document.activeElement !== input) {
      input.focus();
    } else if (event.key === "Escape") {
      list.hidden = true;
      input.blur();
    } else if (event.key === "ArrowDown" && links.length && (at >= 0 || document.activeElement === input)) {
      links[Math.min(at + 1, links.length - 1)].focus();
    } else if (event.key === "ArrowUp" && at >= 0) {
      (links[at - 1] ?? input).focus();
    } else if (event.key === "Enter" && document.activeElement === input && links.length) {
      links[0].click();
    } else {
      return;
    }
    event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest(".search")) list.hidden = true;
  });
  document.getElementById("menu-button").addEventListener("click", () => {
    document.getElementById("menu").classList.toggle("shown");
  });
  // `?q=conv2d` opens with what is found.
  const query = new URLSearchParams(location.search).get("q");
  if (query) {
    input.value = query;
    load();
  }
  // The other language opens at the same heading.
  const other = document.getElementById("language");
  other.addEventListener("click", () => (other.href = other.href.split("#")[0] + location.hash));
}
