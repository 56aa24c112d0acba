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

/** The fonts of formulas that a page takes along: as WOFF2 only, and only those in use. */
const fonts = /KaTeX_(AMS|Main|Math|Size[1-4]|Typewriter)-(Regular|Italic|Bold)\.woff2/;
const formulas = {
  name: "formulas",
  setup({ onLoad }) {
    onLoad({ filter: /katex\.css$/ }, async ({ path }) => {
      const text = await readFile(path, "utf8");
      const contents = text.replace(/@font-face \{[^}]*\}/g, (face) => {
        const file = fonts.exec(face)?.[0];
        if (!file || /Math-Bold|Main-Bold(?=Italic)/.test(face)) return "";
        return face.replace(/src:[^;]*;/, `src: url(fonts/${file}) format("woff2");`);
      });
      return { contents, loader: "css" };
    });
  },
};

/** The text of a bundle, and the packages that are in it. */
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
    loader: { ".woff2": "dataurl" },
    plugins: [formulas],
    metafile: true,
  });
  const packages = Object.keys(result.metafile.inputs)
    .map((name) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(name)?.[1])
    .filter((name) => name !== undefined);
  return { text: result.outputFiles[0].text.trim(), packages };
}

/** The licences of what is bundled: they ask to go along. */
async function licenses(packages) {
  const texts = [];
  for (const name of [...new Set(packages)].sort()) {
    const text = await readFile(join(root, "node_modules", name, "LICENSE"), "utf8");
    texts.push(`Contains ${name}.\n\n${text.trim().replaceAll("--", "- -")}`);
  }
  return texts.join("\n");
}

/** One page: the policy lets run what is in it, and nothing else. */
async function page(name) {
  const { text: style, packages: styles } = await bundle(`${name}/main.css`);
  const { text, packages } = await bundle(`${name}/main.ts`);
  // The text of a script must not end its element.
  const script = text.replaceAll("</script", "<\\/script");
  const connect = name === "watch" ? "'self'" : "'none'";
  const policy = [
    "default-src 'none'",
    `script-src 'sha256-${digest(script, "base64")}'`,
    `style-src 'sha256-${digest(style, "base64")}'`,
    "img-src data:",
    ...(style.includes("@font-face") ? ["font-src data:"] : []),
    `connect-src ${connect}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  const template = await readFile(join(root, name, "index.html"), "utf8");
  const notes = await licenses([...styles, ...packages]);
  return template
    .replace("%LICENSES%", () => notes)
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
