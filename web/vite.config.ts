import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { defineConfig, type Plugin } from "vite";

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

/** SHA-256 over names and contents of the sources; `tests/unit/server/test_web_build.py` computes the same. */
function hashOfSources(): string {
  const names = [
    "index.html",
    "package-lock.json",
    "vite.config.ts",
    ...filesUnder("src"),
    ...filesUnder("public"),
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
  plugins: [withoutZarrCodecs, stampBuild],
  base: "./",
  build: {
    outDir: "../src/radsam/server/static",
    emptyOutDir: true,
    target: "es2022",
    // Names without a hash: the server sends ETags, and a new build changes few files.
    rollupOptions: {
      output: { assetFileNames: "[name][extname]", chunkFileNames: "[name].js", entryFileNames: "[name].js" },
    },
    chunkSizeWarningLimit: 1500,
  },
  server: { proxy: { "/api": "http://127.0.0.1:8765" } },
});
