/** Style is scoped: a file in `ui/styles` styles one component, whose root class is the file's name. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const FOLDER = new URL("../src/ui/styles/", import.meta.url);
const EVERYWHERE = ["base.css", "theme.css"];
const files = readdirSync(FOLDER).filter((name) => !EVERYWHERE.includes(name));
const rootOf = (file: string) => `.${file.replace(/\.css$/, "").replaceAll("_", "-")}`;
const textOf = (file: string) => readFileSync(new URL(file, FOLDER), "utf8").replace(/\/\*.*?\*\//gs, "");

interface Rule {
  selectors: string[];
  /** How many other selectors it is nested in. */
  depth: number;
}

/** Every rule of a file; an at-rule such as `@media` counts as no nesting. */
function rulesOf(css: string): Rule[] {
  const rules: Rule[] = [];
  const open: string[] = [];
  for (const [, head, brace] of css.matchAll(/([^{};]*)([{};])/g)) {
    if (brace === "}") open.pop();
    if (brace !== "{") continue;
    const name = head.trim();
    const inKeyframes = open.some((each) => each.startsWith("@keyframes"));
    if (!name.startsWith("@") && !inKeyframes)
      rules.push({
        selectors: name.split(/,(?![^(]*\))/).map((each) => each.trim()),
        depth: open.filter((each) => !each.startsWith("@")).length,
      });
    open.push(name);
  }
  return rules;
}

const namesClass = (selector: string, root: string) => new RegExp(`\\${root}(?![\\w-])`).test(selector);

test.each(files)("%s styles one component", (file) => {
  const rules = rulesOf(textOf(file));
  expect(rules.length).toBeGreaterThan(0);
  const roots = files.map(rootOf).filter((root) => root !== rootOf(file));
  for (const { selectors, depth } of rules)
    for (const selector of selectors) {
      if (depth === 0) expect(selector).toMatch(new RegExp(`^\\${rootOf(file)}(?![\\w-])`));
      for (const root of roots) expect(namesClass(selector, root), `${selector} names ${root}`).toBe(false);
    }
});

test("only base.css styles a bare tag on its own", () => {
  for (const file of files)
    for (const { selectors, depth } of rulesOf(textOf(file)))
      if (depth === 0) for (const selector of selectors) expect(selector).toMatch(/^\./);
});

test("colours have names: a component's file writes none itself", () => {
  for (const file of files) expect(textOf(file), file).not.toMatch(/#[0-9a-f]{3,8}\b|\brgb\(/i);
});

test("every file is loaded by a component", () => {
  const folder = new URL("../", FOLDER);
  const code = readdirSync(folder)
    .filter((name) => name.endsWith(".tsx"))
    .map((name) => readFileSync(new URL(name, folder), "utf8"))
    .join("\n");
  for (const file of files) expect(code).toContain(`"./styles/${file}"`);
});

test("text has 12 px at least on the smallest root of 14 px", () => {
  for (const file of [...files, "base.css"])
    for (const [, size] of textOf(file).matchAll(/font-size:\s*([\d.]+)rem/g))
      expect(14 * Number(size), file).toBeGreaterThanOrEqual(12);
});
