/**
 * Debian's Chromium without a window, for tests that look at pages. A page here remembers whatever it should not do:
 * requests to other origins, errors on its console, violations of its policy.
 */
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { CHROMIUM } from "./available.ts";

/** Nothing that Chromium does by itself on a network: pages ask their own server, and nobody else. */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Run in the page, before its own scripts; a text, since types of browsers and of Bun do not live in one program. */
const TELL_VIOLATIONS = `document.addEventListener("securitypolicyviolation", (event) => {
  console.error("policy: " + event.violatedDirective + " forbids " + event.blockedURI);
});`;

/** Less than a test has: it ends with what it waited for. */
const STEP_MS = 12_000;

/** With a user-data directory of its own, which goes with it. */
export function openChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS });
}

export interface WatchedPage {
  readonly page: Page;
  /** What it did that no page of ours may do; one line each. */
  readonly sins: readonly string[];
  close(): Promise<void>;
}

export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(STEP_MS);
  const sins: string[] = [];
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== url) sins.push(`asked ${request.url()}`);
  });
  page.on("console", (message) => {
    // The browser's own words for an answer of 401: the page has its own for it.
    const isRefusal = /status of 401/.test(message.text());
    if (message.type() === "error" && !isRefusal) sins.push(`said ${message.text()}`);
  });
  page.on("pageerror", (error) => sins.push(`threw ${error.message}`));
  await page.addInitScript(TELL_VIOLATIONS);
  await page.goto(url);
  return { page, sins, close: () => context.close() };
}

/** Waits until it is so, and tells how long that took. */
export async function until(what: string, holds: () => Promise<boolean> | boolean, limitMs = 15_000) {
  const startedMs = performance.now();
  while (!(await holds())) {
    if (performance.now() - startedMs > limitMs) throw new Error(`not within ${limitMs} ms: ${what}`);
    await Bun.sleep(20);
  }
  return performance.now() - startedMs;
}
