import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { defineConfig, type Plugin } from "vite";

/** The licences of what the page bundles, beside it. */
const LICENCES = "licences.md";

/** Leaves out NiiVue's decoders of OME-Zarr (numcodecs, 470 kB compressed): this page gives it plain voxels only. */
const withoutZarrCodecs: Plugin = {
  name: "without-zarr-codecs",
  enforce: "pre",
  resolveId: (id) => (/^numcodecs\//.test(id) ? "\0no-codec" : null),
  load: (id) => (id === "\0no-codec" ? "export default null;" : null),
};

/** Writes the hash of the sources, so that a test without Node can tell when the page is older than they are. */
const stampBuild: Plugin = {
  name: "stamp-build",
  generateBundle() {
    const source = JSON.stringify({ sources_sha256: hashOfSources() });
    this.emitFile({ type: "asset", fileName: "build.json", source: `${source}\n` });
  },
};

/** Adds the licences that packages do not bring themselves: the built file must hold every text. */
const addLicences: Plugin = {
  name: "add-licences",
  writeBundle({ dir }) {
    const path = `${dir}/${LICENCES}`;
    const [head, ...parts] = readFileSync(path, "utf8").split(/^(?=## )/m);
    const whole = parts.map((part) => {
      const [title, ...text] = part.split("\n");
      if (text.join("").trim() !== "") return part;
      const name = title.replace(/^## (\S+) - .*$/, "$1").replace("/", "+");
      return `${title}\n\n${readFileSync(`licences/${name}.txt`, "utf8")}\n`;
    });
    writeFileSync(path, [head, ...whole].join(""));
  },
};

/** SHA-256 over names and contents of the sources; `tests/unit/server/test_web_build.py` computes the same. */
function hashOfSources(): string {
  const names = [
    "index.html",
    "package-lock.json",
    "vite.config.ts",
    ...filesUnder("src"),
    ...filesUnder("public"),
    ...filesUnder("licences"),
  ];
  const hash = createHash("sha256");
  for (const name of names.sort()) hash.update(`${name}\n`).update(readFileSync(name));
  return hash.digest("hex");
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? filesUnder(`${folder}/${entry.name}`) : [`${folder}/${entry.name}`],
  );
}

export default defineConfig({
  plugins: [withoutZarrCodecs, stampBuild, addLicences],
  base: "./",
  build: {
    outDir: "../src/radsam/server/static",
    emptyOutDir: true,
    target: "es2022",
    // With `light-dark()`, which the build would otherwise write in a form that the views cannot turn dark.
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    // Names without a hash: the server sends ETags, and a new build changes few files.
    rollupOptions: {
      output: { assetFileNames: "[name][extname]", chunkFileNames: "[name].js", entryFileNames: "[name].js" },
    },
    // The licences of what the page bundles ask for their texts in every copy.
    license: { fileName: LICENCES },
    chunkSizeWarningLimit: 1500,
  },
  worker: { format: "es", rollupOptions: { output: { entryFileNames: "[name].js" } } },
  server: { proxy: { "/api": "http://127.0.0.1:8765" } },
});
