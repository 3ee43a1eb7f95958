import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { compressed } from "./compress.ts";

const DAEMON = "http://127.0.0.1:3001";

export default defineConfig({
  plugins: [react(), tailwindcss(), compressed()],
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
