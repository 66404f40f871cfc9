// Takes the pictures in `docs/`, when asked to: `LARDER_PICTURES=1 cargo xtask test --only browser`.

import { expect, test } from "@playwright/test";
import { Redis, Shop } from "./shop.js";

test.skip(!process.env.LARDER_PICTURES, "LARDER_PICTURES is not set");
test.setTimeout(240_000);

const redis = new Redis();
const shop = new Shop();

test.beforeAll(async () => {
  await redis.start();
  await shop.start(redis);
});

test.afterAll(async () => {
  await shop.stop();
  await redis.stop();
});

test("pictures", async ({ browser }) => {
  const open = async (options) => {
    const context = await browser.newContext({ reducedMotion: "reduce", ...options });
    const page = await context.newPage();
    await shop.visit(page);
    return page;
  };
  const wide = { viewport: { width: 1280, height: 900 } };
  const light = await open({ ...wide, colorScheme: "light" });
  const dark = await open({ ...wide, colorScheme: "dark" });
  const narrow = await open({ viewport: { width: 360, height: 740 }, colorScheme: "light" });
  // Enough of a past to be worth a look: a chart begins with one minute, and goes on with two.
  for (const page of [light, dark, narrow]) {
    const past = page.locator("#ratio-chart text", { hasText: "−2 min" });
    await expect(past).toBeVisible({ timeout: 120_000 });
  }
  const take = (page, name, options = {}) => page.screenshot({ path: new URL(`../../docs/dashboard-${name}.png`, import.meta.url).pathname, ...options });
  await take(light, "light", { fullPage: true });
  await take(dark, "dark", { fullPage: true });
  await take(narrow, "narrow");
  await light.getByRole("button", { name: "Invalidate product:<id>…" }).focus();
  await light.keyboard.press("Enter");
  await expect(light.getByRole("dialog")).toBeVisible();
  await light.keyboard.press("Tab");
  await take(light, "confirm");
  await light.keyboard.press("Escape");
  await redis.stop();
  for (const page of [light, dark]) {
    await expect(page.locator("#stores")).toContainText("open: left alone");
    await expect(page.locator("#notices")).toContainText("owed");
    await expect(page.locator("#notices")).toContainText("owed");
    await page.evaluate(() => scrollTo(0, 0));
  }
  await take(dark, "outage");
  await shop.stop();
  await expect(light.getByText("No answer from the service")).toBeVisible();
  await take(light, "no-answer");
});
