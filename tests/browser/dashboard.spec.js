// The dashboard as somebody uses it, against the running example. Waiting is always for something, and never for time.

import { expect, test } from "@playwright/test";
import { Redis, Shop } from "./shop.js";

const redis = new Redis();
const shop = new Shop();
let complaints = [];

test.beforeAll(async () => {
  await redis.start();
  await shop.start(redis);
});

test.afterAll(async () => {
  await shop.stop();
  await redis.stop();
});

test.beforeEach(({ page }) => {
  complaints = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    // Answers that refuse, and servers that are gone, are what some tests are about.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) complaints.push(message.text());
  });
});

test.afterEach(() => {
  expect(complaints, "no error in a script, and nothing against the policy").toEqual([]);
});

const state = (page) => page.locator("#state");
const figure = (page, name) => page.locator(".figure", { hasText: name }).locator(".value");
const note = (page, name) => page.locator(".figure", { hasText: name }).locator(".note");
const confirm = (page) => page.getByRole("dialog");

test("shows nothing without a token, and says when one is wrong", async ({ page }) => {
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.goto(shop.address);
  await expect(page.getByLabel("Token")).toBeFocused();
  await expect(page.locator("#dashboard")).toBeHidden();
  await page.getByLabel("Token").fill("not a token of this service");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("alert").filter({ hasText: "This token is not known here." })).toBeVisible();
  await expect(page.locator("#dashboard")).toBeHidden();
  await expect(page.locator("body")).not.toContainText("shop");
  expect(asked.every((url) => new URL(url).origin === new URL(shop.address).origin), "nothing from elsewhere").toBe(true);
  expect(asked.join(" ")).not.toContain("not%20a%20token");
});

test("keeps the token for this tab alone, until somebody signs out", async ({ page, context }) => {
  await shop.visit(page);
  await page.reload();
  await expect(page.getByRole("heading", { name: "Declared keys" })).toBeVisible();
  expect(page.url()).not.toContain(shop.token);
  const other = await context.newPage();
  await other.goto(shop.address);
  await expect(other.getByLabel("Token")).toBeVisible();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.reload();
  await expect(page.getByLabel("Token")).toBeVisible();
  expect(await page.evaluate(() => sessionStorage.length + localStorage.length)).toBe(0);
});

test("does not wait for an answer to who has signed out", async ({ page }) => {
  let held = 0;
  await page.route("**/stats", (route) => (held++ === 0 ? undefined : route.continue()));
  await shop.visit(page);
  await expect.poll(() => held).toBe(1);
  await page.getByRole("button", { name: "Sign out" }).click();
  await shop.signIn(page);
  await expect(state(page)).toHaveText("Well", { timeout: 5_000 });
});

test("follows the traffic", async ({ page }) => {
  await shop.visit(page);
  await expect(state(page)).toHaveText("Well");
  await expect(page.locator("#namespace")).toHaveText("shop");
  await expect(figure(page, "Hit ratio")).toHaveText(/^\d+(\.\d)?%$/);
  const before = await note(page, "Requests").textContent();
  await expect(note(page, "Requests")).not.toHaveText(before);
  await expect(page.locator("#ratio-chart polyline.line").first()).toBeAttached();
  await expect(page.locator("#latency-chart polyline.line.second").first()).toBeAttached();
  const saved = page.locator("#functions tbody tr");
  await expect(saved).toHaveCount(6);
  const widths = await saved.locator(".bar span").evaluateAll((bars) => bars.map((bar) => parseFloat(bar.style.width)));
  expect(widths, "those that save the most come first").toEqual([...widths].sort((a, b) => b - a));
  await expect(page.locator("#stores")).toContainText("follows the log");
  await expect(page.locator("#stores")).toContainText("closed: in use");
});

test("says what invalidates what", async ({ page }) => {
  await shop.visit(page);
  const product = page.locator(".keys > li", { has: page.getByText("product:<id>", { exact: true }) });
  await expect(product).toContainText("kept 5 min · then stale for 60 s");
  await expect(product.getByRole("list", { name: "invalidated by" })).toContainText("import_catalogue tag catalogue");
  await expect(product.getByRole("list", { name: "invalidated by" })).toContainText("rename_product function product");
});

test("invalidates by button, with the keyboard alone, and only after a yes", async ({ page }) => {
  await shop.visit(page);
  const posts = [];
  page.on("request", (request) => request.method() === "POST" && posts.push(request.postDataJSON()));
  const button = page.getByRole("button", { name: "Invalidate search:<words>:<page>…" });
  await button.focus();
  await page.keyboard.press("Enter");
  await expect(confirm(page)).toContainText("Invalidate the pattern search:*:*?");
  await expect(confirm(page).getByRole("listitem")).toHaveText(["search:<words>:<page>"]);
  await expect(page.getByRole("button", { name: "Cancel" })).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(confirm(page)).toBeHidden();
  await expect(button).toBeFocused();
  expect(posts).toEqual([{ pattern: "search:*:*", preview: true }]);

  await page.keyboard.press("Enter");
  await expect(confirm(page)).toBeVisible();
  await page.keyboard.press("Tab");
  const yes = confirm(page).getByRole("button", { name: "Invalidate", exact: true });
  await expect(yes).toBeFocused();
  expect(await yes.evaluate((element) => getComputedStyle(element).outlineWidth), "the focus is seen").toBe("3px");
  await page.keyboard.press("Enter");
  await expect(page.locator("#outcome")).toHaveText("Invalidated the pattern search:*:*. Reached: search:<words>:<page>.");
  await expect(confirm(page)).toBeHidden();
  expect(posts.at(-1)).toEqual({ pattern: "search:*:*" });
  await expect(page.locator("#recent .code", { hasText: /^search:<words>:<page>$/ }).first()).toBeVisible();
});

test("invalidates what is typed, and repeats what the service says of it", async ({ page }) => {
  await shop.visit(page);
  await page.getByLabel("key", { exact: true }).check();
  await page.getByLabel("Key", { exact: true }).fill("product:*");
  await page.getByRole("button", { name: "Invalidate…", exact: true }).first().click();
  await expect(page.locator("#outcome")).toHaveText("Not done: a key has no `*`; send it as `pattern`.");
  await page.getByLabel("tag", { exact: true }).check();
  await page.getByLabel("Tag", { exact: true }).fill("catalogue");
  await page.keyboard.press("Enter");
  await expect(confirm(page).getByRole("listitem")).toHaveText(["product:<id>", "search:<words>:<page>"]);
  await confirm(page).getByRole("button", { name: "Invalidate", exact: true }).click();
  await expect(page.locator("#outcome")).toContainText("Invalidated the tag catalogue.");
});

test("turns the cache off and on", async ({ page }) => {
  await shop.visit(page);
  await page.getByRole("button", { name: "Turn the cache off…" }).click();
  await confirm(page).getByRole("button", { name: "Turn off" }).click();
  await expect(state(page)).toHaveText("Turned off");
  await expect(page.getByText("The cache is turned off")).toBeVisible();
  await page.getByRole("button", { name: "Turn the cache on…" }).click();
  await confirm(page).getByRole("button", { name: "Turn on" }).click();
  await expect(state(page)).toHaveText("Well");
  await expect(page.getByText("The cache is turned off")).toBeHidden();
});

test("shows an outage of Redis, and that it is over", async ({ page }) => {
  await shop.visit(page);
  await expect(state(page)).toHaveText("Well");
  await redis.stop();
  await expect(state(page)).toHaveText("Degraded");
  await expect(page.getByText("The remote store cannot be reached")).toBeVisible();
  await expect(page.locator("#stores")).toContainText("open: left alone");
  const before = await note(page, "Requests").textContent();
  await expect(note(page, "Requests")).not.toHaveText(before);
  await page.getByRole("button", { name: "Invalidate stock:<id>…" }).click();
  await confirm(page).getByRole("button", { name: "Invalidate", exact: true }).click();
  await expect(page.locator("#outcome")).toContainText("It holds in this process");
  await expect(page.locator("#notices")).toContainText(/It is owed (one invalidation|[\d,]+ invalidations)/);
  await redis.start();
  await expect(state(page)).toHaveText("Well", { timeout: 40_000 });
  await expect(page.locator("#notices")).toBeEmpty();
  await expect(page.locator("#stores")).toContainText("closed: in use");
});

test("asks for nothing while nobody looks", async ({ page }) => {
  await page.clock.install();
  await shop.visit(page);
  await expect(state(page)).toHaveText("Well");
  let asked = 0;
  page.on("request", () => (asked += 1));
  const look = (hidden) => page.evaluate((hidden) => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden);
  await look(true);
  await page.clock.fastForward(120_000);
  expect(asked).toBe(0);
  await look(false);
  await expect.poll(() => asked).toBe(2);
  await page.getByRole("button", { name: "Pause" }).click();
  await expect(state(page)).toHaveText("Paused");
  asked = 0;
  await page.clock.fastForward(120_000);
  expect(asked).toBe(0);
  await page.getByRole("button", { name: "Go on" }).click();
  await expect.poll(() => asked).toBe(2);
});

for (const colorScheme of ["light", "dark"]) {
  test(`can be read in the ${colorScheme}, and on a narrow screen`, async ({ browser }) => {
    const context = await browser.newContext({ colorScheme, viewport: { width: 360, height: 740 }, reducedMotion: "reduce" });
    const page = await context.newPage();
    await shop.visit(page);
    await expect(page.locator("#functions tbody tr")).toHaveCount(6);
    await expect(page.locator("#ratio-chart polyline.line").first()).toBeAttached();
    expect(await page.evaluate(() => document.documentElement.scrollWidth), "nothing sticks out").toBe(360);
    expect(await page.evaluate(faint), "text stands out from what is behind it").toEqual([]);
    expect(await page.locator(".bar span").first().evaluate((bar) => getComputedStyle(bar).transitionDuration)).toBe("0s");
    await context.close();
  });
}

test("says when the service is gone, and asks for a token when another one is there", async ({ page }) => {
  await shop.visit(page);
  await expect(state(page)).toHaveText("Well");
  await shop.stop();
  await expect(state(page)).toHaveText("No answer");
  await expect(page.getByText("No answer from the service")).toBeVisible();
  await expect(figure(page, "Entries"), "what is old stays").not.toBeEmpty();
  await shop.start(redis);
  await expect(page.getByText("This token is not known here.")).toBeVisible();
});

/** The texts of the page whose contrast is below 4.5, with it. */
function faint() {
  const parse = (color) => color.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const part = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!own || !element.checkVisibility() || ["SCRIPT", "NOSCRIPT"].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(parse(element.namespaceURI.endsWith("svg") ? style.fill : style.color)), light(behind(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) found.push(`${element.textContent.slice(0, 30)}: ${contrast.toFixed(2)}`);
  }
  return found;
}
