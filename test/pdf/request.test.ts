import { expect, test } from "vitest";
import { documentOf } from "../../lib/pdf/document.ts";
import { estimateMs, pdfRequest } from "../../lib/pdf/request.ts";
import { problemsIn } from "../../lib/errors.ts";
import { expectLinear } from "../support/growth.ts";

function problemsOf(request: unknown): string[] {
  const { error } = pdfRequest.safeParse(request);
  return error ? problemsIn(error, "body").map(({ field, message }) => `${field} ${message}`) : [];
}

const withOptions = (options: object) => ({ input_type: "html", html: "<p>Hello", options });

test.each([
  { input_type: "html", html: "<p>Hello" },
  { input_type: "markdown", markdown: "# Hello" },
  withOptions({ format: "A4", margin: { top: "20mm", right: "2cm", bottom: "0.5in", left: "48px" } }),
  withOptions({ format: "letter", margin: { top: 0, left: "0", bottom: "12.5" }, landscape: true }),
  withOptions({ printBackground: true, scale: 1.0, headerTemplate: "", footerTemplate: "<span></span>" }),
  withOptions({ scale: 0.1 }),
  withOptions({ scale: 2 }),
  withOptions({ width: "10cm", height: 400, pageRanges: "1-3, 5,8-", outline: true, filename: "Größe 1.pdf" }),
  withOptions({ locale: "zh-Hant-TW", timezone: "Asia/Seoul" }),
  withOptions({ format: "A6", margin: { left: "45mm", right: "45mm" }, landscape: true }),
])("a good request is accepted: %j", (request) => {
  expect(problemsOf(request)).toEqual([]);
});

test.each([
  [{ input_type: "pdf", html: "" }, "input_type must be html or markdown"],
  [{ input_type: "html", html: " \n\t" }, "html must not be empty; send the HTML to print"],
  [{ input_type: "markdown", markdown: "" }, "markdown must not be empty; send the Markdown to print"],
  [
    { input_type: "html", markdown: "# Hi", html: "x" },
    "markdown is not a known field; remove it or check its spelling",
  ],
  [withOptions({ landscpe: true }), "options.landscpe is not a known field; remove it or check its spelling"],
  [
    withOptions({ format: "A7" }),
    "options.format must be one of Letter, Legal, Tabloid, Ledger, A0, A1, A2, A3, A4, A5, A6",
  ],
  [withOptions({ scale: 3 }), "options.scale must be at most 2"],
  [withOptions({ width: "10cm" }), "options.height is missing: send width and height together"],
  [
    withOptions({ format: "A4", width: "10cm", height: "10cm" }),
    "options.format excludes width and height: send either of them",
  ],
  [
    withOptions({ width: "10cm", height: "6000mm" }),
    "options.height must be at most 200in, which is the most that readers show",
  ],
  [
    withOptions({ width: "10cm", height: "6000mm", landscape: true }),
    "options.height must be at most 200in, which is the most that readers show",
  ],
  ...["0", "3-1", "a", "1,,2", "-3", ""].map((pageRanges): [object, string] => [
    withOptions({ pageRanges }),
    "options.pageRanges must name pages from 1 to 99999, the first before the last, such as 1-3, 5 or 8-",
  ]),
  [withOptions({ locale: "de_DE" }), "options.locale is not a language tag; expected one such as de, en-GB or zh-TW"],
  [
    withOptions({ timezone: "Mars/Base" }),
    "options.timezone is not a time zone of the IANA database; expected one such as UTC or Asia/Seoul",
  ],
  ...["a/b", "..", ".a", " a", 'a"b', "a\nb", "a\u202eb", "a."].map((filename): [object, string] => [
    withOptions({ filename }),
    'options.filename must be a name such as invoice-4711.pdf, without folders and without < > : " / \\ | ? *',
  ]),
  [
    withOptions({ margin: { top: "20pt" } }),
    "options.margin.top must be a length such as 20mm, 2cm, 0.5in or 48px; a number alone is pixels",
  ],
  [
    withOptions({ margin: { left: -1 } }),
    "options.margin.left must be a length such as 20mm, 2cm, 0.5in or 48px; a number alone is pixels",
  ],
  [
    withOptions({ format: "A6", margin: { left: "50mm", right: "50mm" } }),
    "options.margin leaves no room: left and right take 100 mm of the page's 105 mm; make them smaller",
  ],
  [
    withOptions({ landscape: true, margin: { top: "4in", bottom: 400 } }),
    "options.margin leaves no room: top and bottom take 207 mm of the page's 210 mm; make them smaller",
  ],
  [withOptions({ width: 10, height: "10cm" }), "options.width must be at least 0.5in; a number alone is pixels"],
  [
    { input_type: "markdown", markdown: "x", options: { width: "45mm", height: "10cm" } },
    "options.margin leaves no room: left and right take 40 mm of the page's 45 mm; make them smaller, for without options.margin they are 20mm each",
  ],
  [
    withOptions({ footerTemplate: `<link rel="stylesheet" href="x.css">` }),
    "options.footerTemplate must not load or run anything; use style attributes and data: images",
  ],
  [withOptions({ headerTemplate: "x".repeat(8_193) }), "options.headerTemplate must be at most 8192 characters"],
])("a bad request is refused in words: %#", (request, problem) => {
  expect(problemsOf(request)).toEqual([problem]);
});

test.each([
  `<script>x()</script>`,
  `<b onclick=x()>`,
  `<style>@import "x"</style>`,
  `<b style="background: url(x.png)">`,
])("a header must not load or run anything: %s", (headerTemplate) =>
  expect(problemsOf(withOptions({ headerTemplate }))).toHaveLength(1),
);

test("a header may have styles, images within it and numbers", () => {
  const image = "data:image/gif;base64,R0lGODlhAQABAAAAACw=";
  const headerTemplate = `<style>b { background: url(${image}) }</style><b class="pageNumber"></b><img src="${image}">`;
  expect(problemsOf(withOptions({ headerTemplate }))).toEqual([]);
});

test("the estimate follows what was measured, within a factor of two and a half", () => {
  const html = (unit: string, bytes: number) =>
    estimateMs({ input_type: "html", html: unit.repeat(bytes / unit.length) });
  const row = "<tr><td>Item number 12345 something</td><td>12.00</td><td>EUR 123,00</td></tr>\n";
  const paragraph = `<p>${"Lorem ipsum dolor sit amet, consectetur adipiscing elit. ".repeat(4)}</p>\n`;
  const section =
    "## Heading\n\nLorem **ipsum** dolor `sit` amet, consectetur adipiscing elit, sed do eiusmod.\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n";
  const markdown = (bytes: number) =>
    estimateMs({ input_type: "markdown", markdown: section.repeat(bytes / section.length) });
  /** Seconds on Lambda: twice the measured ones. */
  const measured: [estimate: number, seconds: number][] = [
    [html(row, 100_000), 0.7],
    [html(row, 500_000), 4.4],
    [html(row, 1_000_000), 10.2],
    [html(row, 2_000_000), 44],
    [html(paragraph, 1_000_000), 2],
    [html(paragraph, 4_000_000), 8.2],
    [markdown(100_000), 2.6],
    [markdown(500_000), 10.6],
  ];
  for (const [estimate, seconds] of measured) {
    expect(estimate / 1_000).toBeGreaterThan(seconds / 2.5);
    expect(estimate / 1_000).toBeLessThan(seconds * 2.5);
  }
});

test("images within a document hardly count, and no text takes long to be estimated", async () => {
  const image = `<img src="data:image/png;base64,${"A".repeat(4_000_000)}">`;
  expect(estimateMs({ input_type: "html", html: image })).toBeLessThan(2_000);
  for (const part of ["data:", "<", "data:a/", "\n"]) {
    await expectLinear((size) => {
      const text = part.repeat(size / part.length);
      estimateMs({ input_type: "html", html: text });
      estimateMs({ input_type: "markdown", markdown: text });
    }, 50_000);
  }
});

test.each([
  `<style>b { background: url("data:image/png;base64,AAAA") }</style>`,
  "<style>b { background: url( 'data:image/png;base64,AAAA' ) }</style>",
  "<b>Invoice once = paid</b>",
])("a header may hold %s", (headerTemplate) => expect(problemsOf(withOptions({ headerTemplate }))).toEqual([]));

test("Markdown that names a long address again and again is refused before it is written out", async () => {
  const used = process.memoryUsage().rss;
  for (const definition of [`[a]: /${"x".repeat(300_000)}`, `[a]: /x "${"t".repeat(300_000)}"`]) {
    const markdown = `${definition}\n\n${"[a]".repeat(20_000)}`;
    await expect(documentOf({ input_type: "markdown", markdown }, 0)).rejects.toThrow(
      "The Markdown becomes more than 8 MB of HTML",
    );
  }
  // Six gigabytes otherwise.
  expect(process.memoryUsage().rss - used).toBeLessThan(1e9);
  const markdown = `[a]: https://a.example\n\n${"[a] and *b*\n".repeat(2_000)}`;
  expect((await documentOf({ input_type: "markdown", markdown }, 0)).html).toContain(
    '<a href="https://a.example">a</a>',
  );
});

test("Markdown of more than a million characters is refused, and HTML is not", () => {
  const long = "a".repeat(1_000_001);
  expect(problemsOf({ input_type: "markdown", markdown: long })).toEqual([
    expect.stringContaining("must be at most 1000000 characters"),
  ]);
  expect(problemsOf({ input_type: "html", html: long })).toEqual([]);
});
