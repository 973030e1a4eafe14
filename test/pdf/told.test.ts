import { readFileSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { getDocumentProxy } from "unpdf";
import { createClock } from "../../lib/clock.ts";
import type { RenderedPdf } from "../../lib/pdf/page.ts";
import type { PdfOptions } from "../../lib/pdf/options.ts";
import { join } from "node:path";
import { bounded, headerOf } from "../../lib/pdf/warnings.ts";
import { readPdf, testRenderer } from "../support/pdf.ts";
import { ROOT } from "../support/root.ts";

// What a PDF takes from its document and from the options, and what it tells about the rest. Real Chromium.

const clock = createClock();
const renderer = testRenderer();
afterAll(() => renderer.end());

const markdown = async (text: string, options?: PdfOptions) =>
  renderer.render({ input_type: "markdown", markdown: text, ...(options && { options }) }, clock.timeout(50_000));
const raw = ({ file }: RenderedPdf) => Buffer.from(file).toString("latin1");
const sizeOf = (pdf: RenderedPdf) =>
  /\/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]/
    .exec(raw(pdf))
    ?.slice(1)
    .map((points) => Math.floor(Number(points)));
const AVIF =
  "data:image/avif;base64,AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUIAAADybWV0YQAAAAAAAAAoaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAAAGxpYmF2aWYAAAAADnBpdG0AAAAAAAEAAAAeaWxvYwAAAABEAAABAAEAAAABAAABGgAAAB0AAAAoaWluZgAAAAAAAQAAABppbmZlAgAAAAABAABhdjAxQ29sb3IAAAAAamlwcnAAAABLaXBjbwAAABRpc3BlAAAAAAAAAAIAAAACAAAAEHBpeGkAAAAAAwgICAAAAAxhdjFDgQ0MAAAAABNjb2xybmNseAACAAIAAYAAAAAXaXBtYQAAAAAAAAABAAEEAQKDBAAAACVtZGF0EgAKCBgANogQEAwgMg8f8D///8WfhwB8+ErK42A=";
const SVG =
  "data:image/svg+xml,%3Csvg%20xmlns='http://www.w3.org/2000/svg'%20width='90'%20height='20'%3E%3Ctext%20y='15'%20fill='#f00'%3EPicture%3C/text%3E%3C/svg%3E";

test("a Markdown document has its title, language, bookmarks, links and pictures, and nothing is missing", async () => {
  const pdf = await markdown(
    `---\ntitle: Größe 中\nlang: de\n---\n# Teil Ä\n\n- [ ] offen\n- [x] fertig\n\n[zu B](#teil-b), Fußnote[^1]\n\n![s](${SVG}) ![a](${AVIF})\n\n` +
      `| a | b |\n|---|---|\n| eins<br>zwei | ${"x".repeat(200)} |\n\n\\pagebreak\n\n## Teil B\n\n[zu Ä](#teil-ä)\n\n[^1]: Unten`,
    { outline: true },
  );
  const { text, pages } = await readPdf(pdf);
  expect([pages, pdf.warnings]).toEqual([2, []]);
  for (const each of ["☐ ?offen", "☑ ?fertig", "Fußnote\\[1\\]", "Picture", "eins\nzwei", "\\[1\\]|1\\. ?Unten"])
    expect(text).toMatch(new RegExp(each));
  expect(text.replaceAll(/\s/g, "")).toContain("x".repeat(200));
  const file = await getDocumentProxy(new Uint8Array(pdf.file));
  const info = (await file.getMetadata()).info as { Title?: string; Language?: string };
  expect([info.Title, info.Language]).toEqual(["Größe 中", "de"]);
  expect((await file.getOutline()).map(({ title, items }) => [title, items.map((each) => each.title)])).toEqual([
    ["Teil Ä", ["Teil B"]],
  ]);
  const [one, two] = [await file.getPage(1), await file.getPage(2)];
  const placesOf = async (page: typeof one) => {
    const links = (await page.getAnnotations()) as { dest?: string }[];
    return Promise.all(links.map(async ({ dest = "" }) => file.getPageIndex((await file.getDestination(dest))![0])));
  };
  // To part B and the footnote; to part A, and back from the footnote.
  expect([await placesOf(one), await placesOf(two)]).toEqual([
    [1, 1],
    [0, 0],
  ]);
  expect(raw(pdf).match(/\/Subtype \/Image/g)?.length).toBeGreaterThan(0);
});

test("a document without a title gets its first heading, and its links that lead nowhere are text", async () => {
  const pdf = await renderer.html(
    `<img name="title"><form name="baseURI"></form><a name="querySelectorAll"></a><h1> A  report</h1>
     <a href="other.html">r</a> <a href="javascript:alert(1)">j</a> <a href="https://a.example/x">web</a> <a href="mailto:a@b.example">m</a>
     <a href="#there">t</a> <a href="#gone">g</a> <svg width="9" height="9"><a xlink:href="file:///etc/passwd"><text>x</text></a></svg><p id="there">`,
  );
  const file = raw(pdf);
  expect(file).toContain("/Title (A report)");
  expect([...file.matchAll(/\/URI \(([^)]*)\)/g)].map(([, uri]) => uri)).toEqual([
    "https://a.example/x",
    "mailto:a@b.example",
  ]);
  expect(pdf.warnings).toEqual([
    "Links to other.html, javascript:alert(1), file:///etc/passwd became text: expected https:, http:, mailto: or #",
    "Links to #gone lead nowhere: nothing in the document has such an id",
  ]);
});

test("what is left out of a document is told", async () => {
  const pdf = await renderer.html(
    `<title>t</title><link rel="stylesheet" href="https://a.example/s.css"><script>x()</script><script type="application/ld+json">{}</script>
     <style>@font-face { font-family: F; src: url(https://a.example/f.woff2) } p { font-family: F }</style>
     <p>a<img src="https://a.example/logo.png"><img src="pic/local.png"><iframe src="https://a.example/"></iframe>
     <details><summary>s</summary>closed</details><details><p>closed</p></details><details open>open</details>
     <details><summary>alone</summary> </details><details style="display: none">none</details>
     <style>.all::details-content { content-visibility: visible }</style><details class="all"><p>shown</p></details>`,
    { headerTemplate: `<img src="https://a.example/head.png"><a href="x.html">x</a>`, margin: { top: "2cm" } },
  );
  expect(pdf.warnings.toSorted()).toEqual([
    "2 <details> show their summary alone: write <details open>",
    "A script did not run: none does",
    "Left out of options.headerTemplate: x.html, https://a.example/head.png. It holds links to the web, and data: images",
    "Left out, since nothing is loaded: fonts https://a.example/f.woff2. Put them in as data: URIs",
    "Left out, since nothing is loaded: frames https://a.example. Put them in as data: URIs",
    "Left out, since nothing is loaded: images https://a.example/logo.png, pic/local.png. Put them in as data: URIs",
    "Left out, since nothing is loaded: style sheets https://a.example/s.css. Put them in as data: URIs",
  ]);
});

test("images that can't be read, and what they name elsewhere, are told", async () => {
  const svg = (inner: string) =>
    `data:image/svg+xml;base64,${btoa(`<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">${inner}</svg>`)}`;
  const pdf = await markdown(
    `# t\n\n![logo](data:image/png;base64,AAAA) ![](${svg("<g>")}) ![bomb](data:text/html,x) [x](javascript:alert) ` +
      `![ok](${svg(`<a href="https://a.example/ok"><image href="https://a.example/x.png"/><use href="#a"/></a>`)}) ` +
      `![ok](${svg("<style>a { fill: url(https://a.example/f.svg#f) }</style>")}) ![ok](${SVG}) ![ok](${AVIF})`,
    { headerTemplate: `<b class="date"></b>`, locale: "xx" },
  );
  expect(pdf.warnings).toEqual([
    "options.locale xx is not known: dates are written as by en-US",
    "Links to javascript:alert became text: expected https:, http:, mailto: or #",
    "Images that can't be read: logo (image/png), image/svg+xml, bomb (text/html)",
    "Left out, since nothing is loaded: https://a.example/x.png, https://a.example/f.svg#f in images of SVG. Put them in as data: URIs",
  ]);
});

test("code runs from the left within text that runs from the right, where the boxes of tasks are on the right", async () => {
  const pdf = await markdown(`---\ntitle: t\nlang: ar\n---\n- [ ] نص\n\n\`\`\`\nf(1);\n\`\`\``);
  const page = await (await getDocumentProxy(new Uint8Array(pdf.file))).getPage(1);
  const { items } = await page.getTextContent();
  const placeOf = (text: RegExp) => {
    const item = items.find((each) => "str" in each && text.test(each.str));
    return item && "transform" in item
      ? { from: Number(item.transform[4]), to: Number(item.transform[4]) + item.width }
      : undefined;
  };
  expect(placeOf(/f\(1\);/)?.from).toBeLessThan(100);
  // The box is to the right of its text.
  expect(placeOf(/☐/)?.from).toBeGreaterThan(placeOf(/\p{Script=Arabic}/u)?.to ?? Infinity);
});

test("a character that no font has is named, wherever it stands, and one that is not shown is not", async () => {
  const { warnings } = await renderer.html(
    `<title>t</title><style>.icon::before { content: "\\F101" }</style><i class="icon"></i> &#x13000; \u0378 ok é → 中 😀 <b hidden>\u{10A00}</b><!-- \u{1E900} -->`,
  );
  expect(warnings).toEqual([
    "No font has U+13000 (𓀀), U+0378, U+F101: boxes are shown. Bring a font that has them as a data: URI",
  ]);

  const font = fontWith(0xfe75).toString("base64");
  const own = (face: string) => renderer.html(`<title>t</title><style>${face} p { font-family: Own }</style><p>\ufe75`);
  expect((await own("")).warnings).toEqual([expect.stringContaining("U+FE75: boxes are shown")]);
  const face = `@font-face { font-family: Own; src: url(data:font/ttf;base64,${font}) }`;
  expect((await own(face)).warnings).toEqual([]);
});

/** Cousine with a letter in place of four marks at U+FE20: the segment of its table of characters is moved. */
function fontWith(point: number): Buffer {
  const font = readFileSync(join(ROOT, "node_modules/@expo-google-fonts/cousine/400Regular/Cousine_400Regular.ttf"));
  const cmap = font.subarray(font.readUInt32BE(font.indexOf("cmap") + 8));
  for (const record of [4]) {
    const table = cmap.subarray(cmap.readUInt32BE(record + 4));
    const length = table.readUInt16BE(6);
    const segment = Array.from({ length: length / 2 }, (_, index) => index * 2).find(
      (at) => table.readUInt16BE(16 + length + at) === 0xfe20,
    )!;
    table.writeUInt16BE(point, 14 + segment);
    table.writeUInt16BE(point, 16 + length + segment);
    table.writeUInt16BE((40 - point) & 0xffff, 16 + 2 * length + segment);
    table.writeUInt16BE(0, 16 + 3 * length + segment);
  }
  return font;
}

test("pages are as large as the options say, unless the document says it", async () => {
  const cm = await renderer.html("<title>t</title>x", { width: "10cm", height: "20cm", landscape: true });
  expect([sizeOf(cm), cm.warnings]).toEqual([[567, 283], []]);
  const a5 = "<title>t</title><style>@page { size: A5; margin: 1cm }</style>x";
  const beaten = await renderer.html(a5, { format: "Letter", landscape: true, margin: { top: "3cm" } });
  expect(sizeOf(beaten)).toEqual([420, 594]);
  expect(beaten.warnings).toEqual([
    "options.margin does not hold: @page in the document sets margins",
    "options.format Letter, options.landscape true does not hold: @page in the document makes pages of 148 mm by 210 mm",
  ]);
  expect((await renderer.html(a5, { format: "A5" })).warnings).toEqual([]);
  const turned = await renderer.html("<title>t</title><style>@page { size: landscape }</style>x", { format: "A5" });
  expect(sizeOf(turned)).toEqual([595, 420]);
});

test("the pages that are asked for are in the file", async () => {
  const many = `<title>t</title>${Array.from({ length: 130 }, (_, page) => `<p style="break-after: page">page ${page + 1}.`).join("")}`;
  const few = await renderer.html(many, { pageRanges: "5, 2-3" });
  expect(few).toMatchObject({ pages: 3, truncated: false });
  expect((await readPdf(few)).text).toBe("page 2.\npage 3.\npage 5.");
  const cut = await renderer.html(many, { pageRanges: "1, 20-" });
  expect(cut).toMatchObject({ pages: 112, truncated: true });
  const { text, pages } = await readPdf(cut);
  expect([pages, text.includes("page 1."), text.includes("page 118."), text.includes("page 119.")]).toEqual([
    100,
    true,
    true,
    false,
  ]);
  await expect(renderer.html("x", { pageRanges: "2-3" })).rejects.toThrow(
    "options.pageRanges is 2-3, and the document has fewer pages",
  );
});

test("headers write the date of a time zone as a language does", async () => {
  const dated = async (options: PdfOptions) => {
    const headerTemplate = `<b style="font-size: 9px" class="date"></b>`;
    return (
      await readPdf(await renderer.html("<title>t</title>", { headerTemplate, margin: { top: "2cm" }, ...options }))
    ).text;
  };
  const shown = (locale: string, timeZone: string, time: number) =>
    new Intl.DateTimeFormat(locale, { dateStyle: "short", timeStyle: "short", timeZone }).format(time);
  for (const [locale, timezone] of [
    ["de", "Pacific/Kiritimati"],
    ["en-US", "Pacific/Pago_Pago"],
  ] as const) {
    const before = clock.realNow();
    const text = await dated({ locale, timezone });
    expect([shown(locale, timezone, before), shown(locale, timezone, clock.realNow())]).toContain(text);
  }
});

test("warnings are bounded, and a header holds them in ASCII", () => {
  const many = bounded(Array.from({ length: 30 }, (_, index) => `${index} ${"x".repeat(500)}`));
  expect([many.length, many.at(-1), many[0]?.length]).toEqual([10, "And 21 more warnings", 300]);
  expect(headerOf(["U+13000 (𓀀) – é"])).toBe(String.raw`["U+13000 (\ud80c\udc00) \u2013 \u00e9"]`);
  expect(JSON.parse(headerOf(["𓀀\n"]))).toEqual(["𓀀\n"]);
  // Those of a gateway are 10 KB together, with the name of the file.
  const long = headerOf(bounded(Array.from({ length: 10 }, (_, index) => `${index} ${"é".repeat(300)}`)));
  expect(long.length).toBeLessThan(4_001);
  expect((JSON.parse(long) as string[]).at(-1)).toBe("And 8 more warnings: GET /jobs/{id} has them all");
});
