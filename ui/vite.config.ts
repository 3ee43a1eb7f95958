import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { type Plugin, defineConfig } from "vite";
import { compressed } from "./compress.ts";

const DAEMON = "http://127.0.0.1:3001";

/** noVNC waits at its top level for a codec we do not use; then nothing could share the entry's chunk, and 40 files were loaded at first. */
function withoutTopLevelAwait(): Plugin {
  const waits = /^supportsWebCodecsH264Decode = await (\w+)\(\);$/m;
  return {
    name: "novnc-without-top-level-await",
    transform(code, id) {
      if (!id.includes("@novnc/novnc/core/util/browser.js")) return undefined;
      if (!waits.test(code)) throw new Error(`${id} has changed: look whether it still waits at its top level`);
      return { code: code.replace(waits, "$1().then((can) => { supportsWebCodecsH264Decode = can; });"), map: null };
    },
  };
}

export default defineConfig({
  plugins: [react(), tailwindcss(), withoutTopLevelAwait(), compressed()],
  build: {
    outDir: "../aetherd/web/static",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // the content security policy allows no data: scripts or fonts
    chunkSizeWarningLimit: 700,
  },
  server: {
    proxy: Object.fromEntries(
      ["/v1", "/login", "/healthz"].map((path) => [path, { target: DAEMON, ws: path === "/v1", changeOrigin: true }]),
    ),
  },
});
