import type { MarkdownIt, StateCore, Token } from "markdown-it";
import { frontMatterOf } from "./front-matter.ts";
import { addRules } from "./markdown-rules.ts";
import { BadDocument } from "./request.ts";

// Markdown as a page of HTML.

interface Page {
  readonly html: string;
  readonly warnings: readonly string[];
}

/** Between the margins, in points. */
export interface Room {
  readonly width: number;
  readonly height: number;
}

/** In characters, of the HTML of Markdown: twice what a request may hold. */
const LONGEST_HTML = 8_000_000;
const TOO_MUCH_HTML = `The Markdown becomes more than ${LONGEST_HTML / 1e6} MB of HTML: expected less; use shorter link definitions, or split it`;

const STYLE = `
body { margin: 0; font: 11pt/1.5 sans-serif; color: #1f2328; overflow-wrap: break-word; }
h1, h2, h3, h4, h5, h6 { margin: 1.4em 0 .5em; line-height: 1.25; break-after: avoid; }
h1 { font-size: 20pt; } h2 { font-size: 16pt; } h3 { font-size: 13pt; } h4, h5, h6 { font-size: 11pt; }
h1, h2 { padding-bottom: .2em; border-bottom: 1px solid #d1d9e0; }
body > :first-child { margin-top: 0; }
p, h1, h2, h3, h4, h5, h6, td, th, li { unicode-bidi: plaintext; }
p, ul, ol, pre, table, blockquote { margin: 0 0 .8em; }
p { orphans: 2; widows: 2; }
li > ul, li > ol { margin: 0; }
.task { list-style: none; }
.task-box { display: inline-block; width: 1.4em; margin-inline-start: -1.4em; font-family: 'Noto Sans Symbols 2'; }
a:any-link { color: #0757ba; }
code, pre { font-family: monospace; font-size: 9pt; background: #f3f4f6; border-radius: 3px; }
code, pre { direction: ltr; unicode-bidi: isolate; }
code { padding: .1em .3em; }
pre { padding: .8em; white-space: pre-wrap; line-height: 1.4; }
pre code { padding: 0; }
blockquote { padding: 0 1em; color: #59636e; border-inline-start: 3px solid #d1d9e0; }
.alert { color: inherit; border-color: #0969da; }
.tip { border-color: #1a7f37; } .important { border-color: #8250df; } .warning { border-color: #9a6700; } .caution { border-color: #cf222e; }
/* Chromium cuts off what is at the edge of the page, and half a border is beyond its table. */
table { border-collapse: collapse; max-width: calc(100% - 2px); margin-right: 2px; }
thead { display: table-header-group; }
tr, img { break-inside: avoid; }
th, td { padding: .3em .7em; border: 1px solid #d1d9e0; vertical-align: top; }
th { background: #f3f4f6; }
td code, th code { font-size: .82em; }
.long { overflow-wrap: anywhere; }
.dense th, .dense td { padding: .2em .3em; overflow-wrap: anywhere; }
img { max-width: 100%; object-fit: contain; }
hr { border: 0; border-top: 1px solid #d1d9e0; }
.page-break { break-after: page; }
.footnotes { font-size: 9pt; }
.footnote-ref { line-height: 1; }
`;

const RIGHT_TO_LEFT = /^(?:ar|arc|ckb|dv|fa|he|iw|ks|ps|sd|ug|ur|yi)\b/i;

/** `lang` is the language where the text names none. */
export async function pageOf(text: string, room: Room, lang?: string): Promise<Page> {
  const { title, lang: own, rest, warnings } = frontMatterOf(text);
  const language = own ?? lang;
  const parser = await createParser(room);
  const tokens = parser.parse(rest, {});
  if (lengthOf(tokens) > LONGEST_HTML) throw new BadDocument(TOO_MUCH_HTML);
  const body = parser.renderer.render(tokens, parser.options, {});
  if (body.length > LONGEST_HTML) throw new BadDocument(TOO_MUCH_HTML);
  const { escapeHtml } = parser.utils;
  const direction = language !== undefined && RIGHT_TO_LEFT.test(language) ? ' dir="rtl"' : "";
  const html = [
    `<!doctype html><html${language === undefined ? "" : ` lang="${escapeHtml(language)}"`}${direction}>`,
    `<head><meta charset="utf-8">${title === undefined ? "" : `<title>${escapeHtml(title)}</title>`}`,
    `<style>${STYLE}img { max-height: ${Math.floor(room.height)}pt; }</style></head><body>${body}</body></html>`,
  ].join("");
  return { html, warnings };
}

/** The footnotes are appended one by one: with a copy of all tokens for each, thousands would take minutes. */
class GrowingArray<Item> extends Array<Item> {
  override concat(items: Item[]): this {
    for (const item of items) this.push(item);
    return this;
  }
}

async function createParser(room: Room): Promise<MarkdownIt> {
  const [{ default: createMarkdownIt }, { default: footnotes }] = await Promise.all([
    import("markdown-it"),
    import("markdown-it-footnote"),
  ]);
  // HTML within Markdown is shown as text.
  const parser = createMarkdownIt({ html: false, linkify: true });
  parser.use(footnotes);
  // Footnotes within the text take quadratic time where they don't end.
  parser.inline.ruler.disable("footnote_inline");
  parser.core.ruler.before("footnote_tail", "growing_tokens", (state: StateCore) => {
    state.tokens = GrowingArray.from(state.tokens);
  });
  parser.core.ruler.after("footnote_tail", "grown_tokens", (state: StateCore) => {
    state.tokens = Array.from(state.tokens);
  });
  addRules(parser);
  parser.core.ruler.push("table_sizes", ({ tokens }: StateCore) => fitTables(tokens, room.width));
  return parser;
}

/** A link is defined once and named a hundred thousand times: each stands in the HTML with the whole address. */
function lengthOf(tokens: readonly Token[]): number {
  let length = 0;
  for (const { content, attrs, children } of tokens) {
    length += children ? lengthOf(children) : content.length;
    for (const [, value] of attrs ?? []) length += String(value).length;
  }
  return length;
}

const FONT_POINTS = 11;
/** Of an average character of the font, in em. */
const CHARACTER_EM = 0.56;
/** Left and right of a cell, with its border. */
const PADDING_EM = 1.5;
/** In characters: a longer word may break anywhere. */
const LONGEST_WORD = 20;
const SMALLEST = 0.6;
const LIST_INDENT_POINTS = 30;

/** Tables whose longest words don't fit side by side get a smaller font; in the smallest, words break anywhere. */
function fitTables(tokens: readonly Token[], width: number): void {
  let table: Token | undefined;
  let words: number[] = [];
  let column = 0;
  for (const [index, token] of tokens.entries()) {
    if (token.type === "table_open") [table, words] = [token, []];
    if (token.type === "tr_open") column = 0;
    if (token.type === "th_open" || token.type === "td_open") {
      const longest = longestWord(tokens[index + 1]?.children ?? []);
      if (longest > LONGEST_WORD) token.attrJoin("class", "long");
      words[column] = Math.max(words[column] ?? 1, Math.min(longest, LONGEST_WORD));
      column += 1;
    }
    if (token.type !== "table_close" || !table) continue;
    const wanted = words.reduce((sum, word) => sum + word * CHARACTER_EM + PADDING_EM, 0) * FONT_POINTS;
    const scale = (width - (table.level / 2) * LIST_INDENT_POINTS) / wanted;
    if (scale < 1) table.attrSet("style", `font-size: ${Math.floor(Math.max(scale, SMALLEST) * 100)}%`);
    if (scale < SMALLEST) table.attrJoin("class", "dense");
  }
}

/** In characters. Text in Han, kana and the like may break between any two of them. */
function longestWord(children: readonly Token[]): number {
  const text = children.map(({ type, content }) => (/^(?:text|code_inline)$/.test(type) ? content : " ")).join("");
  let longest = 0;
  for (const word of text.split(/[\s\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}-]/u)) {
    longest = Math.max(longest, word.length);
  }
  return longest;
}
