// How the tests of the dashboard run: one after the other, in the Chromium of the system, which the program that runs
// them has found (`cargo xtask test --only browser`).

import { defineConfig } from "@playwright/test";

const root = process.getuid?.() === 0;

export default defineConfig({
  testDir: ".",
  outputDir: "node_modules/.results",
  workers: 1,
  timeout: 90_000,
  expect: { timeout: 20_000 },
  reporter: "line",
  use: {
    viewport: { width: 1280, height: 900 },
    launchOptions: {
      executablePath: process.env.LARDER_CHROMIUM,
      // Chromium has no sandbox for root.
      args: root ? ["--no-sandbox"] : [],
    },
  },
});
