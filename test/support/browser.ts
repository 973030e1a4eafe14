import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";
import { findChromium } from "../../lib/pdf/chromium.ts";
import { createClock } from "../../lib/clock.ts";

// The browser that renders PDFs, driven by Playwright.

export interface Look {
  readonly width?: number;
  readonly height?: number;
  readonly dark?: boolean;
  /** The settings of a browser's user, beside the size and the scheme. */
  readonly settings?: BrowserContextOptions;
  /** What is done to the page before it loads anything. */
  readonly before?: (page: Page) => Promise<void>;
}

export interface Driven {
  readonly browser: Browser;
  /** A page with a session of its own. What breaks the policy, and errors of the page, are kept in `problems`. */
  open(url: string, look?: Look): Promise<Seen>;
  /** Closes all pages. Returns their problems. */
  endPages(): Promise<string[]>;
  close(): Promise<void>;
}

export interface Seen {
  readonly page: Page;
  readonly problems: readonly string[];
}

const LONGEST_WAIT_MS = 120_000;

export async function startBrowser(): Promise<Driven> {
  const unpacked = await findChromium({ clock: createClock(undefined), log: () => {} });
  const home = await unpacked.createHome();
  const browser = await chromium.launch({
    executablePath: unpacked.executable,
    headless: true,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
    env: unpacked.envIn(home),
  });
  const opened: Seen[] = [];
  return {
    browser,
    open: async (url, { width = 1_280, height = 800, dark = false, settings = {}, before } = {}) => {
      const context = await browser.newContext({
        viewport: { width, height },
        colorScheme: dark ? "dark" : "light",
        ...settings,
      });
      // As other waits of tests: it ends one that hangs, on a busy machine too.
      context.setDefaultTimeout(LONGEST_WAIT_MS);
      const page = await context.newPage();
      const problems: string[] = [];
      opened.push({ page, problems });
      // The console does not tell of all that the policy refuses.
      await page.addInitScript(
        `addEventListener("securitypolicyviolation", (e) => console.error("policy", e.violatedDirective, e.blockedURI))`,
      );
      page.on("console", (message) => {
        // A refused request is an answer like others; the page says it.
        const isRefusal = message.text().startsWith("Failed to load resource");
        if (message.type() === "error" && !isRefusal) problems.push(message.text());
      });
      page.on("pageerror", (error) => problems.push(error.message));
      await before?.(page);
      await page.goto(url);
      return { page, problems };
    },
    endPages: async () => {
      const ended = opened.splice(0);
      await Promise.all(ended.map(async ({ page }) => page.context().close()));
      return ended.flatMap(({ problems }) => problems);
    },
    close: async () => browser.close(),
  };
}
