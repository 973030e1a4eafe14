import { constants, inflateSync } from "node:zlib";
import { afterAll, expect, test } from "vitest";
import { createClock } from "../../lib/clock.ts";
import { countPages } from "../../lib/pdf/page-count.ts";
import { readPdf, testRenderer } from "../support/pdf.ts";

const clock = createClock();
const renderer = testRenderer();
afterAll(() => renderer.end());

const markdown = async (text: string) =>
  renderer.render({ input_type: "markdown", markdown: text }, clock.timeout(50_000));

/** The text of a PDF outside of its compressed streams: its pages and fonts. */
const raw = ({ file }: { file: Uint8Array }) => Buffer.from(file).toString("latin1");
const sizeOf = (pdf: { file: Uint8Array }) =>
  /\/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]/
    .exec(raw(pdf))
    ?.slice(1)
    .map((points) => Math.floor(Number(points)));
const fontsOf = (pdf: { file: Uint8Array }) =>
  new Set([...raw(pdf).matchAll(/\/FontName \/[A-Z]{6}\+([\w-]+)/g)].map(([, name]) => name));

/** The drawing commands of the first page. */
function drawnIn({ file }: { file: Uint8Array }): string {
  const from = Buffer.from(file).indexOf("stream\n") + "stream\n".length;
  return inflateSync(file.subarray(from), { finishFlush: constants.Z_SYNC_FLUSH }).toString("latin1");
}

const INVOICE = `<!doctype html><html lang="en"><title>Invoice 1</title><style>
  body { font-family: Arial } table { width: 100%; border-collapse: collapse } td { border: 1px solid #999 }
  </style><h1>Invoice 1</h1><table><tr><td>Paper</td><td>12.00 €</td></tr></table></html>`;

test("an invoice becomes one page with its text in it", async () => {
  const pdf = await renderer.html(INVOICE);
  expect(pdf).toMatchObject({ pages: 1, truncated: false });
  expect(Buffer.from(pdf.file).toString("latin1", 0, 5)).toBe("%PDF-");
  expect(await readPdf(pdf)).toEqual({ pages: 1, text: "Invoice 1\nPaper 12.00 €" });
  expect(sizeOf(pdf)).toEqual([595, 841]);
  expect([...fontsOf(pdf)].every((name) => name?.startsWith("Arimo"))).toBe(true);
});

test("Markdown becomes headings, tables, lists, code and links, and its HTML stays text", async () => {
  const pdf = await markdown(
    "# Title\n\n| a | b |\n|---|---|\n| 1 | **2** |\n\n- one\n\n```\ncode()\n```\n\nhttps://example.com <script>x()</script>\n\n[no](javascript:alert(1))",
  );
  const { text } = await readPdf(pdf);
  expect(text).toBe("Title\na b\n1 2\none\ncode()\nhttps://example.com <script>x()</script>\nno");
  expect(raw(pdf)).toContain("/URI (https://example.com/)");
  expect(raw(pdf)).not.toContain("javascript:");
  expect([...fontsOf(pdf)].some((name) => name?.startsWith("Cousine"))).toBe(true);
});

test("options say how a page looks", async () => {
  const a5 = await renderer.html("<p>x", { format: "a5", landscape: true });
  expect(sizeOf(a5)).toEqual([595, 420]);
  expect(sizeOf(await renderer.html("<style>@page { size: 10cm 20cm }</style>x"))).toEqual([282, 567]);

  const text = "word ".repeat(3_000);
  const pagesWith = async (options: object) => (await renderer.html(text, options)).pages;
  expect(await pagesWith({ margin: { top: "8cm", bottom: "8cm" } })).toBeGreaterThan(await pagesWith({}));
  expect(await pagesWith({ scale: 0.5 })).toBeLessThan(await pagesWith({}));

  const red = `<div style="background: #f00; height: 1cm; width: 1cm"></div>`;
  expect(drawnIn(await renderer.html(red))).toContain("1 0 0 rg");
  expect(drawnIn(await renderer.html(red, { printBackground: false }))).not.toContain("1 0 0 rg");
});

test("headers and footers stand on every page, with numbers", async () => {
  const style = "font-size: 10px; width: 100%";
  const pdf = await renderer.html("<title>Report</title>one<p style='break-before: page'>two", {
    margin: { top: "2cm", bottom: "2cm" },
    headerTemplate: `<div style="${style}">About <span class="title"></span></div>`,
    footerTemplate: `<div style="${style}"><span class="pageNumber"></span> of <span class="totalPages"></span></div>`,
  });
  const { text } = await readPdf(pdf);
  expect(text.replaceAll(/\s+/g, " ")).toBe("one About Report 1 of 2 two About Report 2 of 2");
  const footerOnly = await renderer.html("body", {
    margin: { bottom: "2cm" },
    footerTemplate: `<b style="${style}">F</b>`,
  });
  expect((await readPdf(footerOnly)).text).toBe("body\nF");
});

const pagesOf = (count: number) =>
  Array.from({ length: count }, (_, index) => `<p style="break-after: page">page number ${index + 1}</p>`).join("");

test("of a document with more than 100 pages the first 100 are kept, and all are counted", async () => {
  const whole = await renderer.html(`${pagesOf(99)}last`);
  expect(whole).toMatchObject({ pages: 100, truncated: false });
  const cut = await renderer.html(`${pagesOf(149)}last`);
  expect(cut).toMatchObject({ pages: 150, truncated: true });
  const { text, pages } = await readPdf(cut);
  expect(pages).toBe(100);
  expect(text).toContain("page number 100");
  expect(text).not.toContain("page number 101");
  // The file does not hold the other pages either.
  expect(cut.file.length).toBeLessThan(1.1 * whole.file.length);
});

test("what a document says does not change how its pages are counted", async () => {
  const forged = [
    "/Type /Pages /Count 7",
    "<<\n/Type /Pages\n/Count 7\n>>",
    "1 0 obj\n<</Type /Catalog\n/Pages 3 0 R>>\nendobj",
    "trailer\n<</Size 9\n/Root 1 0 R>>\nstartxref\n0\n%%EOF",
  ];
  for (const [index, text] of forged.entries()) {
    const attribute = text.replaceAll("\n", "&#10;").replaceAll("<", "&lt;");
    const pdf = await renderer.html(
      `<html lang="${attribute}"><title>${attribute}</title><a id="${attribute}" href="https://x.example/${attribute}">` +
        `${attribute}</a>${"<p style='break-before: page'>x".repeat(index + 1)}` +
        `<img alt="${attribute}" src="data:image/gif;base64,${Buffer.from(text).toString("base64")}">`,
    );
    expect(pdf.pages).toBe((await readPdf(pdf)).pages);
    expect(pdf.pages).toBe(index + 2);
  }
  expect(() => countPages(Buffer.from("%PDF-1.4\n/Type /Pages /Count 7\n%%EOF"))).toThrow("Expected a PDF");
});

test("Latin, Greek, Cyrillic, Chinese, Japanese, Korean and emoji are printed by fonts that have them", async () => {
  const pdf = await renderer.html(
    `<p>ÄÖ żółć Ελλάς Привет<p lang="zh">简体中文 繁體<p lang="ja">日本語 かな<p lang="ko">한국어<p>😀<p style="font-family: monospace">mono`,
  );
  const { text } = await readPdf(pdf);
  for (const each of ["ÄÖ żółć Ελλάς Привет", "简体中文 繁體", "日本語 かな", "한국어", "😀", "mono"]) {
    expect(text).toContain(each);
  }
  const fonts = [...fontsOf(pdf)].map((name) => name?.split("-")[0]);
  expect(new Set(fonts)).toEqual(
    new Set(["Tinos", "NotoSansHans", "NotoSansJP", "NotoSansKR", "NotoColorEmoji", "Cousine"]),
  );
});

test("lone surrogates and characters that no text should have are no obstacle", async () => {
  const pdf = await renderer.html("<title>\ud800</title><p>be\ud800fore \u0000 \ufffe \uffff after", {
    headerTemplate: "\udc00",
  });
  expect((await readPdf(pdf)).text).toMatch(/^be.*after/);
  expect((await markdown("a\ud800b \u0000 c")).pages).toBe(1);
});

test("images, styles and fonts within the document are shown, however far down", async () => {
  const gif = "data:image/gif;base64,R0lGODlhAQABAIAAAP8AAP///yH5BAAAAAAALAAAAAABAAEAAAICRAEAOw==";
  const image = `<img width="100" height="100" loading="lazy" src="${gif}">`;
  const pdf = await renderer.html(
    `<link rel="stylesheet" href="data:text/css,p{break-before:page}"><p>one<div style="height: 3000px"></div>${image}`,
  );
  expect(raw(pdf)).toContain("/Subtype /Image");
  const frame = await renderer.html(
    `<iframe srcdoc="<p>framed</p>"></iframe><object data="data:text/html,object"></object>`,
  );
  expect((await readPdf(frame)).text).toContain("framed");
});
