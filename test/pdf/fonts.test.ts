import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { launch, type Browser } from "puppeteer-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createClock } from "../../lib/clock.ts";
import { unpackChromium } from "../../lib/pdf/chromium.ts";
import { FONTS } from "../../lib/pdf/fonts.ts";
import { ROOT } from "../support/root.ts";

// Screenshots of Chromium's text in the deployed fonts.

let browser: Browser;
let home: string;

beforeAll(async () => {
  const chromium = await unpackChromium({ clock: createClock(), log: () => {} });
  home = await chromium.createHome();
  browser = await launch({
    executablePath: chromium.executable,
    args: ["--no-sandbox", "--single-process", "--no-zygote", "--disable-gpu", "--disable-software-rasterizer"],
    env: chromium.envIn(home),
    headless: "shell",
    pipe: true,
  });
});
afterAll(async () => {
  browser.process()?.kill("SIGKILL");
  await rm(home, { recursive: true, force: true, maxRetries: 3 });
});

test("every font is in its package", () => {
  expect(FONTS).toHaveLength(19);
  for (const file of FONTS) expect(existsSync(join(ROOT, "node_modules", file))).toBe(true);
});

test("no character is drawn as the box that stands for a missing one, and each as itself", async () => {
  const page = await browser.newPage();
  const pictureOf = async (text: string, attributes = "") => {
    await page.setContent(
      `<style>p { margin: 0; font-size: 40px; width: 100px; height: 60px; overflow: hidden }</style><p ${attributes}>${text}`,
    );
    return page.screenshot({ clip: { x: 0, y: 0, width: 120, height: 80 }, encoding: "base64" });
  };
  // No font has these two characters.
  const missing = await pictureOf("\u0378");
  expect(await pictureOf("\u0379")).toBe(missing);
  const characters = "A é ł ß д 的 简 體 あ ア 日 한 👍 😀 € →".split(" ");
  const pictures: string[] = [];
  for (const character of characters) pictures.push(await pictureOf(character));
  expect(pictures).not.toContain(missing);
  expect(new Set(pictures).size).toBe(characters.length);

  // The same character looks different in other languages, weights and families.
  expect(await pictureOf("直", 'lang="ja"')).not.toBe(await pictureOf("直", 'lang="zh"'));
  expect(await pictureOf("日", 'style="font-weight: bold"')).not.toBe(await pictureOf("日"));
  const [arial, times, courier] = [
    await pictureOf("Ag", 'style="font-family: Arial"'),
    await pictureOf("Ag", 'style="font-family: Times New Roman"'),
    await pictureOf("Ag", 'style="font-family: Courier New"'),
  ];
  expect(new Set([arial, times, courier]).size).toBe(3);
  expect(await pictureOf("Ag", 'style="font-family: sans-serif"')).toBe(arial);
  expect(await pictureOf("Ag", 'style="font-family: monospace"')).toBe(
    await pictureOf("Ag", 'style="font-family: Courier New, monospace"'),
  );
});
