import { chromium, type Browser, type Page } from "playwright-core";
import { unpackChromium } from "../../lib/pdf/chromium.ts";
import { createClock } from "../../lib/clock.ts";

// The browser that renders PDFs, driven by Playwright.

export interface Driven {
  readonly browser: Browser;
  /** A page with a session of its own. What breaks the policy, and errors of the page, are kept in `problems`. */
  open(url: string, options?: { width?: number; height?: number; dark?: boolean }): Promise<Seen>;
  close(): Promise<void>;
}

export interface Seen {
  readonly page: Page;
  readonly problems: readonly string[];
}

export async function startBrowser(): Promise<Driven> {
  const unpacked = await unpackChromium({ clock: createClock(undefined), log: () => {} });
  const home = await unpacked.createHome();
  const browser = await chromium.launch({
    executablePath: unpacked.executable,
    headless: true,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
    env: unpacked.envIn(home),
  });
  return {
    browser,
    open: async (url, { width = 1_280, height = 800, dark = false } = {}) => {
      const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? "dark" : "light" });
      const page = await context.newPage();
      const problems: string[] = [];
      page.on("console", (message) => {
        // A refused request is an answer like others; the page says it.
        const isRefusal = message.text().startsWith("Failed to load resource");
        if (message.type() === "error" && !isRefusal) problems.push(message.text());
      });
      page.on("pageerror", (error) => problems.push(error.message));
      await page.goto(url);
      return { page, problems };
    },
    close: async () => browser.close(),
  };
}
