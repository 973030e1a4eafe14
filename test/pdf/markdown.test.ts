import { expect, test } from "vitest";
import { documentOf } from "../../lib/pdf/document.ts";
import type { PdfOptions } from "../../lib/pdf/options.ts";
import { expectLinear } from "../support/growth.ts";

// Markdown as the HTML that Chromium gets.

async function pageOf(markdown: string, options?: PdfOptions) {
  const { html, warnings } = await documentOf({ input_type: "markdown", markdown, ...(options && { options }) }, 0);
  return {
    html,
    warnings,
    head: html.split("<style>")[0],
    body: html.split("<body>")[1]?.replace("</body></html>", ""),
  };
}

const CASES: readonly (readonly [what: string, markdown: string, html: string])[] = [
  [
    "a task list has boxes",
    "- [ ] open\n- [x] done\n- [X] done too\n- [y] text",
    '<ul>\n<li class="task"><span class="task-box">☐</span>open</li>\n<li class="task"><span class="task-box">☑</span>done</li>\n' +
      '<li class="task"><span class="task-box">☑</span>done too</li>\n<li>[y] text</li>\n</ul>\n',
  ],
  [
    "code in a list is no box",
    "- `[x] == [x]`\n- [x](u) link",
    '<ul>\n<li><code>[x] == [x]</code></li>\n<li><a href="u">x</a> link</li>\n</ul>\n',
  ],
  [
    "headings have ids as on GitHub",
    "# Über uns & mehr!\n## Über uns & mehr!\n### `code` *and* 中文_x\n# !!\n# Own {#its-id}",
    '<h1 id="über-uns--mehr">Über uns &amp; mehr!</h1>\n<h2 id="über-uns--mehr-1">Über uns &amp; mehr!</h2>\n' +
      '<h3 id="code-and-中文_x"><code>code</code> <em>and</em> 中文_x</h3>\n<h1 id="section">!!</h1>\n<h1 id="its-id">Own</h1>\n',
  ],
  [
    "a link finds its heading though its letters differ",
    "# My Part\n[a](#My-Part) [b](#my-part) [c](#nowhere)",
    '<h1 id="my-part">My Part</h1>\n<p><a href="#my-part">a</a> <a href="#my-part">b</a> <a href="#nowhere">c</a></p>\n',
  ],
  [
    "links of all kinds, which become text later if a PDF may not hold them",
    "[a](javascript:x) [b](<file:///x>) <data:text/html,x>",
    '<p><a href="javascript:x">a</a> <a href="file:///x">b</a> <a href="data:text/html,x">data:text/html,x</a></p>\n',
  ],
  ["a place for links", '<a id="foo"></a>Here <a name=b/> there', '<p><a id="foo"></a>Here <a id="b"></a> there</p>\n'],
  [
    "a tag that breaks lines",
    "a<br>b<BR/>c `<br>` <brx>",
    "<p>a<br>\nb<br>\nc <code>&lt;br&gt;</code> &lt;brx&gt;</p>\n",
  ],
  [
    "a comment is left out",
    "a <!-- no --> b\n\n<!--\nnot\n\nthis\n-->\n\nc <!-- open",
    "<p>a  b</p>\n<p>c &lt;!-- open</p>\n",
  ],
  [
    "page breaks",
    'a\n\\pagebreak\nb\n\n<!-- pagebreak -->\n\n<div style="page-break-after: always;"></div>\n<div style="page-break-before: always">\n</div>\n\n    \\newpage',
    `<p>a</p>\n<div class="page-break"></div>\n<p>b</p>\n${'<div class="page-break"></div>\n'.repeat(3)}<pre><code>\\newpage\n</code></pre>\n`,
  ],
  [
    "page breaks as editors have them",
    [
      "<div style='page-break-after: always'></div>",
      '<div style="page-break-before: always;break-before: always"></div>',
      '<p style="page-break-after: always;">&nbsp;</p>',
      '<div style="display: block; break-after:page;" ></div>',
      '<div class="page"/>',
      "<div class='new-page'></div>",
      '<br style="page-break-after: always">',
      "<!-- page break -->",
    ].join("\n\n"),
    '<div class="page-break"></div>\n'.repeat(8),
  ],
  [
    "tags that are no page breaks",
    '<div style="page-break-inside: avoid"></div>\n\n<div style="page-break-after: always">text</div>',
    "<p>&lt;div style=&quot;page-break-inside: avoid&quot;&gt;&lt;/div&gt;</p>\n<p>&lt;div style=&quot;page-break-after: always&quot;&gt;text&lt;/div&gt;</p>\n",
  ],
  [
    "alerts as on GitHub",
    "> [!NOTE]\n> Take **care**\n\n> [!warning]\n>\n> - hot\n\n> [!NOTE] of mine\n\n[!NOTE]\n\n> - [!TIP]",
    '<blockquote class="alert note">\n<p><strong>Note</strong><br>\nTake <strong>care</strong></p>\n</blockquote>\n' +
      '<blockquote class="alert warning">\n<p><strong>Warning</strong></p>\n<ul>\n<li>hot</li>\n</ul>\n</blockquote>\n' +
      "<blockquote>\n<p>[!NOTE] of mine</p>\n</blockquote>\n<p>[!NOTE]</p>\n<blockquote>\n<ul>\n<li>[!TIP]</li>\n</ul>\n</blockquote>\n",
  ],
  [
    "bold text beside Chinese, Japanese and Korean",
    "**重要。**です **「引用」**は 这是**“强调”**的 **이것(this)**은 a**b。**c *你好！*吗",
    "<p><strong>重要。</strong>です <strong>「引用」</strong>は 这是<strong>“强调”</strong>的 <strong>이것(this)</strong>은 a<strong>b。</strong>c <em>你好！</em>吗</p>\n",
  ],
  [
    "lines of Chinese and Japanese are joined without a space, those of Korean and others with one",
    "中文第一行\n第二行，\n**第三**行\nend 字\nend\n한국\n어",
    "<p>中文第一行第二行，<strong>第三</strong>行\nend 字\nend\n한국\n어</p>\n",
  ],
  [
    "other emphasis as in CommonMark",
    'snake_case_name **"a"**b *c*d __中__',
    "<p>snake_case_name **&quot;a&quot;**b <em>c</em>d <strong>中</strong></p>\n",
  ],
  [
    "pictures in SVG and AVIF",
    "![a](data:image/svg+xml;utf8,%3Csvg%20fill='#f00'/%3E) ![b](data:image/avif;base64,AAAA) ![c](data:text/html,x)",
    `<p><img src="data:image/svg+xml;utf8,%3Csvg%20fill='%23f00'/%3E" alt="a"> <img src="data:image/avif;base64,AAAA" alt="b"> <img src="data:text/html,x" alt="c"></p>\n`,
  ],
];

test.each(CASES)("%s", async (_, markdown, html) => {
  expect((await pageOf(markdown)).body).toBe(html);
});

test("footnotes are numbered by their first use, in lists too, and lead back", async () => {
  const { body = "" } = await pageOf(
    "one[^a_b]\n\n- two[^c] one[^a_b]\n\n[^a_b]: First\n[^c]: Second *one*\n\n    more",
  );
  expect(body).toMatch(/one<sup class="footnote-ref"><a href="#fn1" id="fnref1">\[1\]/);
  expect(body).toMatch(/two<sup class="footnote-ref"><a href="#fn2" id="fnref2">\[2\]/);
  expect(body).toMatch(/<li id="fn1" class="footnote-item"><p>First <a href="#fnref1"/);
  expect(body).toContain("Second <em>one</em></p>\n<p>more");
});

test("front matter gives title and language, and is not printed", async () => {
  const { head, body, warnings } = await pageOf(
    '\uFEFF---\r\ntitle: "A & B: \\"c\\""\r\nlang: he\r\noutput:\r\n    pdf_document:\r\n        toc: true\r\ntags:\r\n- a\r\n---\r\n# Text\r\n',
  );
  expect(head).toContain(
    '<html lang="he" dir="rtl"><head><meta charset="utf-8"><title>A &amp; B: "c"</title>'.replaceAll(
      '"c"',
      "&quot;c&quot;",
    ),
  );
  expect([body, warnings]).toEqual(['<h1 id="text">Text</h1>\n', []]);

  expect((await pageOf("---\ntitle: 'It''s' # so\n...\nx")).head).toContain("<title>It's</title>");
  expect((await pageOf("---\ntitle: >\n  two\n  lines\n---\nx")).head).toContain("<title>two lines</title>");
  const odd = await pageOf(
    `---\n"title": A\n'lang': ~\ndate created: 1\nÜber/b: 2\ntags: [a,\n  b\n]\nx: &a [*a, *a]\n---\nx`,
  );
  expect([odd.head, odd.body, odd.warnings]).toEqual([expect.stringMatching(/<html>.*<title>A</), "<p>x</p>\n", []]);
  expect((await pageOf("# x", { locale: "pt-BR" })).head).toContain('<html lang="pt-BR">');
  const wrong = await pageOf("---\nlang: not a tag\n---\nx");
  expect(wrong.warnings).toEqual(["The front matter's lang is no language tag: expected one such as de or zh-TW"]);
  for (const none of ["---\ntext\n---\nmore", "---\n\n# a\n\n---", "text\n---\ntitle: x\n---"]) {
    expect((await pageOf(none)).body).toMatch(/text|<hr>/);
    expect((await pageOf(none)).head).not.toContain("<title>");
  }
});

test("a table gets a font in which its words fit side by side, and long words may break", async () => {
  const table = (columns: number, word: string) =>
    ["", "---", ""].map((fill) => `|${`${fill || word}|`.repeat(columns)}`).join("\n");
  const sizeOf = async (markdown: string, options?: PdfOptions) => {
    const { body = "" } = await pageOf(markdown, options);
    return Number(/<table[^>]* style="font-size: (\d+)%/.exec(body)?.[1] ?? 100);
  };
  expect(await sizeOf(table(4, "quantity"))).toBe(100);
  expect(await sizeOf(table(10, "quantity"))).toBeLessThan(90);
  expect(await sizeOf(table(10, "quantity"), { landscape: true })).toBe(100);
  expect(await sizeOf(table(40, "quantity"))).toBe(60);
  expect((await pageOf(table(40, "quantity"))).body).toContain('class="dense"');
  expect((await pageOf(table(2, "x".repeat(80)))).body).toContain('<td class="long">');
  expect((await pageOf(table(2, "你好".repeat(80)))).body).not.toContain('class="long"');
});

test("what a text leaves open again and again takes no time", async () => {
  const open = ["<!-- ", "<!--\n", "<a id=", '<div style="page-break-after: ', "^[a"];
  for (const part of open) await expectLinear(async (size) => pageOf(part.repeat(size)), 1_500);
  const note = (_: unknown, name: number) => `a[^${name}]\n\n[^${name}]: x\n\n`;
  await expectLinear(async (length) => pageOf(Array.from({ length }, note).join("")), 1_500);
  await expectLinear(async (size) => pageOf(`---\ntitle: a${" ".repeat(size)}b\n---\nx`), 15_000);
});
