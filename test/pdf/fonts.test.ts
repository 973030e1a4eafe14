import { globSync, readFileSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { launch, type Browser } from "puppeteer-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { createClock } from "../../lib/clock.ts";
import { findChromium } from "../../lib/pdf/chromium.ts";
import { FONTS } from "../../lib/pdf/fonts.ts";
import { coverage } from "../../lib/pdf/glyphs.ts";
import { ROOT } from "../support/root.ts";

// Screenshots of Chromium's text in the deployed fonts.

let browser: Browser;
let home: string;

beforeAll(async () => {
  const chromium = await findChromium({ clock: createClock(), log: () => {} });
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

test("the function's package has every font, no other, and is below 240 MB unpacked", () => {
  const { functions } = parse(readFileSync(join(ROOT, "serverless.yml"), "utf8"), { logLevel: "silent" });
  const packaged = globSync(functions.renderPdf.package.patterns as string[], { cwd: ROOT });
  const fonts = packaged.filter((path) => /\.[ot]tf$/.test(path));
  expect(fonts.toSorted()).toEqual(FONTS.map((file) => join("node_modules", file)).toSorted());
  const bytes = packaged.map((path) => statSync(join(ROOT, path)).size).reduce((sum, each) => sum + each, 0);
  // The bundles are in addition: below 5 MB.
  expect(bytes / 1e6).toBeLessThan(235);
});

/** Of Arabic, the extensions for languages of Africa and for older spellings. */
const isRare = (point: number) => (point >= 0x750 && point < 0x780) || (point >= 0x870 && point < 0x900);
const SCRIPTS =
  "Latin Greek Cyrillic Arabic Armenian Bengali Devanagari Ethiopic Georgian Gujarati Gurmukhi Hebrew Kannada Khmer Lao Malayalam Myanmar Oriya Sinhala Tamil Telugu Thai Han Hiragana Katakana Hangul".split(
    " ",
  );

test.each(SCRIPTS)("the fonts have the letters of %s", async (script) => {
  const covered = await coverage();
  const letters = new RegExp(`^(?=\\p{Script=${script}})[\\p{L}\\p{Mn}\\p{Mc}\\p{Nd}]$`, "u");
  const [from, to] = [0x41, 0xffff];
  const missing: string[] = [];
  let count = 0;
  for (let point = from; point <= to; point += 1) {
    if (!letters.test(String.fromCodePoint(point)) || isRare(point)) continue;
    count += 1;
    if (!covered[point]) missing.push(point.toString(16));
  }
  // What no living language is written with, and the characters of the newest versions of Unicode.
  expect(missing.length / count, missing.join(" ")).toBeLessThan(0.05);
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
  const characters = "A é ł ß д 的 简 體 あ ア 日 한 👍 😀 € → ع ש ท न ব த త ქ Ա አ ខ က ක ✗ ☐ ₿ ฿ 𝑥 ∑ ℝ ⎈".split(" ");
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
