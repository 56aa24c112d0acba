// Builds every folder that has an index.html into one self-contained page of the Python package,
// and writes which sources each page was made from.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { readFile, readdir, writeFile } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(fileURLToPath(import.meta.url));
const target = join(root, "..", "src", "chainrule", "explain", "pages");
const tools = ["build.mjs", "package-lock.json", "package.json", "tsconfig.json"];

const digest = (text, form) => createHash("sha256").update(text).digest(form);

/** The files below a folder, sorted. */
async function files(folder) {
  const found = await readdir(join(root, folder), { recursive: true, withFileTypes: true });
  return found
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .sort();
}

async function bundle(entry) {
  const result = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    format: "iife",
    // The style sheets use light-dark(), which must not be taken apart.
    target: entry.endsWith(".css") ? ["esnext"] : ["es2022"],
    charset: "utf8",
    legalComments: "none",
  });
  return result.outputFiles[0].text.trim();
}

/** The licences of what is bundled: they ask to go along. */
const bundled = ["uplot"];
const licenses = [];
for (const name of bundled) {
  const text = await readFile(join(root, "node_modules", name, "LICENSE"), "utf8");
  licenses.push(`Contains ${name}.\n\n${text.trim().replaceAll("--", "- -")}`);
}

/** One page: the policy lets run what is in it, and nothing else. */
async function page(name) {
  const style = await bundle(`${name}/main.css`);
  // The text of a script must not end its element.
  const script = (await bundle(`${name}/main.ts`)).replaceAll("</script", "<\\/script");
  const connect = name === "watch" ? "'self'" : "'none'";
  const policy = [
    "default-src 'none'",
    `script-src 'sha256-${digest(script, "base64")}'`,
    `style-src 'sha256-${digest(style, "base64")}'`,
    "img-src data:",
    `connect-src ${connect}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  const template = await readFile(join(root, name, "index.html"), "utf8");
  return template
    .replace("%LICENSES%", () => licenses.join("\n"))
    .replace("%POLICY%", () => policy)
    .replace("%STYLE%", () => style)
    .replace("%SCRIPT%", () => script);
}

const manifest = {};
for (const entry of (await readdir(root, { withFileTypes: true })).sort()) {
  if (!entry.isDirectory() || entry.name === "node_modules") continue;
  const own = await files(entry.name);
  if (!own.includes(`${entry.name}/index.html`)) continue;
  const html = await page(entry.name);
  await writeFile(join(target, `${entry.name}.html`), html);
  const sources = {};
  for (const name of [...tools, ...own, ...(await files("shared"))].sort()) {
    sources[name] = digest(await readFile(join(root, name)), "hex");
  }
  manifest[`${entry.name}.html`] = { sha256: digest(html, "hex"), sources };
  console.log(`${entry.name}.html  ${Math.round(html.length / 1024)} KiB`);
}
await writeFile(join(target, "manifest.json"), `${JSON.stringify(manifest, null, 1)}\n`);
