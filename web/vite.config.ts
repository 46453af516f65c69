import { defineConfig, type Plugin } from "vite";

/** NiiVue brings decoders of OME-Zarr (numcodecs, 470 kB compressed). This page gives it plain voxels only. */
const withoutZarrCodecs: Plugin = {
  name: "without-zarr-codecs",
  enforce: "pre",
  resolveId: (id) => (/^numcodecs\//.test(id) ? "\0no-codec" : null),
  load: (id) => (id === "\0no-codec" ? "export default null;" : null),
};

export default defineConfig({
  plugins: [withoutZarrCodecs],
  base: "./",
  build: {
    outDir: "../src/radsam/server/static",
    emptyOutDir: true,
    target: "es2022",
    // Names without a hash: the server answers with ETags, and the built page changes in as few files as it can.
    rollupOptions: {
      output: { assetFileNames: "[name][extname]", chunkFileNames: "[name].js", entryFileNames: "[name].js" },
    },
    chunkSizeWarningLimit: 1500,
  },
  server: { proxy: { "/api": "http://127.0.0.1:8765" } },
});
