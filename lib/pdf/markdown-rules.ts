import type { MarkdownIt, StateBlock, StateCore, StateInline, Token } from "markdown-it";

// What Markdown is understood beyond CommonMark, tables and footnotes, as GitHub and editors do.

export function addRules(parser: MarkdownIt): void {
  parser.inline.State = friendlyToHan(parser.inline.State);
  showImages(parser);
  parser.inline.ruler.before("html_inline", "few_tags", fewTags);
  parser.block.ruler.before("fence", "page_break", pageBreak, { alt: ["paragraph", "blockquote", "list"] });
  parser.block.ruler.before("fence", "comment", comment, { alt: ["paragraph", "blockquote", "list"] });
  parser.core.ruler.after("inline", "task_lists", ({ tokens }: StateCore) => markTasks(tokens));
  parser.core.ruler.after("inline", "alerts", ({ tokens }: StateCore) => markAlerts(tokens));
  parser.core.ruler.after("inline", "joined_lines", ({ tokens }: StateCore) => joinLines(tokens));
  parser.core.ruler.push("heading_ids", ({ tokens }: StateCore) => nameHeadings(tokens));
}

// ---- Emphasis ----

/** Scripts without spaces between words, and their punctuation. */
const HAN =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Bopomofo}\u3000-\u303F\uFE10-\uFE1F\uFE30-\uFE4F\uFF00-\uFFEF]/u;
const SPACE = /\s/u;
const PUNCTUATION = /[\p{P}\p{S}]/u;

/**
 * CommonMark ends an emphasis after punctuation only before a space, which Chinese, Japanese and Korean don't write:
 * `**重要。**です` has asterisks. Here a Han character beside the mark does as well as a space.
 * Source: the specification of markdown-cjk-friendly.
 */
function friendlyToHan(State: MarkdownIt["inline"]["State"]): MarkdownIt["inline"]["State"] {
  return class extends State {
    override scanDelims(start: number, canSplitWord: boolean) {
      const mark = this.src[start] ?? "";
      let end = start;
      while (end < this.posMax && this.src[end] === mark) end += 1;
      const before = characterBefore(this.src, start);
      const after = end < this.posMax ? String.fromCodePoint(this.src.codePointAt(end) ?? 32) : " ";
      if (!HAN.test(before) && !HAN.test(after)) return super.scanDelims(start, canSplitWord);
      const isPunctuation = (char: string) => PUNCTUATION.test(char) && !HAN.test(char);
      const isOpen = (char: string) => SPACE.test(char) || PUNCTUATION.test(char) || HAN.test(char);
      const left = !SPACE.test(after) && (!isPunctuation(after) || isOpen(before));
      const right = !SPACE.test(before) && (!isPunctuation(before) || isOpen(after));
      return {
        can_open: left && (canSplitWord || !right || PUNCTUATION.test(before)),
        can_close: right && (canSplitWord || !left || PUNCTUATION.test(after)),
        length: end - start,
      };
    }
  };
}

function characterBefore(text: string, at: number): string {
  if (at === 0) return " ";
  const pair = at > 1 ? (text.codePointAt(at - 2) ?? 0) : 0;
  return pair > 0xffff ? String.fromCodePoint(pair) : (text[at - 1] ?? " ");
}

// ---- Lines ----

/** The end of a line is no space between characters of scripts that write none; Korean has spaces. */
function joinLines(tokens: readonly Token[]): void {
  const isSolid = (char = "") => HAN.test(char) && !/\p{Script=Hangul}/u.test(char);
  for (const { children } of tokens) {
    for (const [index, token] of (children ?? []).entries()) {
      if (token.type !== "softbreak") continue;
      const isText = ({ type, content }: Token) => type === "text" && content !== "";
      const before = children?.slice(Math.max(index - 3, 0), index).findLast(isText);
      const after = children?.slice(index + 1, index + 4).find(isText);
      if (!isSolid(before?.content.at(-1)) || !isSolid(after?.content.at(0))) continue;
      token.type = "text";
      token.content = "";
    }
  }
}

// ---- Images ----

const IMAGE = /^\s*data:image\/(?:gif|png|jpe?g|webp|svg\+xml|avif|bmp|x-icon|vnd\.microsoft\.icon)[;,]/i;

function showImages(parser: MarkdownIt): void {
  const normalized = parser.normalizeLink.bind(parser);
  // Links that a PDF may not hold become text later, with a warning.
  parser.validateLink = () => true;
  // An SVG is often written with colours such as #f00, and what follows a `#` would be no part of the picture.
  parser.normalizeLink = (url) =>
    IMAGE.test(url) ? url.trim().replaceAll(/[\s"<>]|#(?![\w-]*$)/g, encodeURIComponent) : normalized(url);
}

// ---- The tags that are understood ----

const BREAK = /<br\s*\/?>/iy;
const NAME = String.raw`(?:id|name)\s*=\s*(?:"[^"<>]{1,200}"|'[^'<>]{1,200}'|[^\s"'<>=]{1,200}?)`;
const ANCHOR = new RegExp(String.raw`<a((?:\s+${NAME}){1,2})\s*(?:\/>|>(?:\s*<\/a>)?)`, "iy");
const NAMES = /=\s*(?:"([^"]+)"|'([^']+)'|([^\s"']+))/g;

/** Line breaks, places that links lead to, and comments. Every other tag is text. */
function fewTags(state: StateInline, silent: boolean): boolean {
  const { src, pos } = state;
  if (src[pos] !== "<") return false;
  const [lineBreak] = at(BREAK, src, pos) ?? [];
  const [anchor, names = ""] = at(ANCHOR, src, pos) ?? [];
  const end = lineBreak === undefined && anchor === undefined ? commentEnd(src, pos) : undefined;
  if (!silent && lineBreak !== undefined) state.push("hardbreak", "br", 0);
  for (const [, one, two, three] of silent ? [] : names.matchAll(NAMES)) {
    state.push("anchor_open", "a", 1).attrSet("id", one ?? two ?? three ?? "");
    state.push("anchor_close", "a", -1);
  }
  const after = end ?? pos + (lineBreak ?? anchor ?? "").length;
  state.pos = after;
  return after > pos;
}

/** In characters: texts are searched for the ends of comments again and again. */
const LONGEST_COMMENT = 2_000;
/** The text that was searched last, and its last end of a comment. */
let searched = { text: "", last: -1 };

/** Where the comment that begins at a place is over. */
function commentEnd(text: string, pos: number): number | undefined {
  if (!text.startsWith("<!--", pos)) return undefined;
  if (searched.text !== text) searched = { text, last: text.lastIndexOf("-->") };
  if (pos > searched.last) return undefined;
  const length = text.slice(pos, pos + LONGEST_COMMENT).indexOf("-->", 4);
  return length < 0 ? undefined : pos + length + 3;
}

function at(pattern: RegExp, text: string, pos: number): RegExpExecArray | null {
  pattern.lastIndex = pos;
  return pattern.exec(text);
}

// ---- Page breaks and comments ----

const styled = (quote: string) =>
  String.raw`style=${quote}(?:[^<>${quote}]{0,200}[\s;])?(?:page-)?break-(?:after|before)\s*:\s*(?:always|page)\b[^<>${quote}]{0,200}${quote}`;
/** Of a tag that is there for a page break alone, as editors and converters have them. */
const BREAKS = String.raw`\s+(?:${styled('"')}|${styled("'")}|class=["']?(?:page|new-?page|page-?break)["']?)\s*`;
const OPEN = String.raw`<(?:div|p|span)${BREAKS}`;
const CLOSE = String.raw`<\/(?:div|p|span)>`;
const PAGE_BREAK = new RegExp(
  String.raw`^(?:\\(?:pagebreak|newpage)|<!--\s*page[- ]?break\s*-->|<br${BREAKS}\/?>|${OPEN}(?:\/>|>\s*(?:&nbsp;)?\s*${CLOSE}))\s*$`,
  "i",
);
const BROKEN_OPEN = new RegExp(String.raw`^${OPEN}>\s*$`, "i");
const BROKEN_CLOSE = new RegExp(String.raw`^${CLOSE}\s*$`, "i");

function pageBreak(state: StateBlock, line: number, end: number, silent: boolean): boolean {
  const text = lineOf(state, line);
  if (text[0] !== "<" && text[0] !== "\\") return false;
  const isSplit = BROKEN_OPEN.test(text) && line + 1 < end && BROKEN_CLOSE.test(lineOf(state, line + 1));
  if (!isSplit && !PAGE_BREAK.test(text)) return false;
  if (silent) return true;
  state.line = line + (isSplit ? 2 : 1);
  const token = state.push("page_break", "div", 1);
  token.attrSet("class", "page-break");
  token.block = true;
  state.push("page_break_close", "div", -1);
  return true;
}

/** A comment on lines of its own. */
function comment(state: StateBlock, line: number, end: number, silent: boolean): boolean {
  if (!lineOf(state, line).startsWith("<!--")) return false;
  const after = commentEnd(state.src, (state.bMarks[line] ?? 0) + (state.tShift[line] ?? 0));
  if (after === undefined) return false;
  let last = line;
  while (last < end && (state.eMarks[last] ?? 0) < after) last += 1;
  if (last === end || state.src.slice(after, state.eMarks[last]).trim() !== "") return false;
  if (!silent) state.line = last + 1;
  return true;
}

function lineOf(state: StateBlock, line: number): string {
  if ((state.sCount[line] ?? 0) - state.blkIndent >= 4) return "";
  return state.src.slice((state.bMarks[line] ?? 0) + (state.tShift[line] ?? 0), state.eMarks[line]);
}

// ---- Task lists ----

function markTasks(tokens: readonly Token[]): void {
  for (const [index, token] of tokens.entries()) {
    const [item, paragraph] = [tokens[index - 2], tokens[index - 1]];
    const [first] = token.children ?? [];
    if (token.type !== "inline" || paragraph?.type !== "paragraph_open" || item?.type !== "list_item_open") continue;
    const [mark, state] = /^\[([ xX])\](?:\s+|$)/.exec(first?.type === "text" ? first.content : "") ?? [];
    if (mark === undefined || !first || !token.children) continue;
    item.attrJoin("class", "task");
    first.content = first.content.slice(mark.length);
    const box = new (kindOf(first))("text", "", 0);
    box.content = state === " " ? "☐" : "☑";
    token.children.unshift(...wrapped(box, "span", "task-box"));
  }
}

function kindOf(token: Token): new (type: string, tag: string, nesting: -1 | 0 | 1) => Token {
  return token.constructor as ReturnType<typeof kindOf>;
}

function wrapped(token: Token, tag: string, className?: string): Token[] {
  const Kind = kindOf(token);
  const [open, close] = [new Kind(`${tag}_open`, tag, 1), new Kind(`${tag}_close`, tag, -1)];
  if (className !== undefined) open.attrSet("class", className);
  return [open, token, close];
}

// ---- Alerts ----

const ALERT = /^\[!(note|tip|important|warning|caution)\]\s*$/i;

/** A quotation that begins with a line such as `[!NOTE]` gets that as its title. */
function markAlerts(tokens: readonly Token[]): void {
  for (const [index, token] of tokens.entries()) {
    const [quotation, paragraph] = [tokens[index - 2], tokens[index - 1]];
    const [first, end] = token.children ?? [];
    const [, kind = ""] = ALERT.exec(first?.type === "text" ? first.content : "") ?? [];
    const isTitle = quotation?.type === "blockquote_open" && paragraph?.type === "paragraph_open" && kind !== "";
    if (!isTitle || !first || !token.children || (end && end.type !== "softbreak")) continue;
    quotation.attrJoin("class", `alert ${kind.toLowerCase()}`);
    first.content = kind.slice(0, 1).toUpperCase() + kind.slice(1).toLowerCase();
    token.children.splice(0, 1, ...wrapped(first, "strong"));
    if (end) [end.type, end.tag] = ["hardbreak", "br"];
  }
}

// ---- Headings ----

/** Headings get ids as on GitHub. A link whose letter case or spelling differs finds its heading too. */
function nameHeadings(tokens: readonly Token[]): void {
  const ids = new Set<string>();
  const counts = new Map<string, number>();
  for (const { type, children } of tokens) {
    if (type !== "inline") continue;
    for (const each of children ?? []) if (each.type === "anchor_open") ids.add(String(each.attrGet("id")));
  }
  for (const [index, token] of tokens.entries()) {
    const children = token.type === "heading_open" ? (tokens[index + 1]?.children ?? []) : undefined;
    if (!children) continue;
    const id = ownIdOf(children) ?? uniqueId(slugOf(textOf(children)), ids, counts);
    ids.add(id);
    token.attrSet("id", id);
  }
  for (const { children } of tokens) {
    for (const each of children ?? []) {
      const href = each.type === "link_open" ? String(each.attrGet("href")) : "";
      if (!href.startsWith("#") || href === "#") continue;
      const wanted = decoded(href.slice(1));
      if (!ids.has(wanted) && ids.has(slugOf(wanted))) each.attrSet("href", `#${encodeURIComponent(slugOf(wanted))}`);
    }
  }
}

/** As in `## Title {#its-id}`, which is taken off the text. */
function ownIdOf(children: readonly Token[]): string | undefined {
  const last = children.at(-1);
  const [whole, id] = /\s*\{#([\w:.-]{1,200})\}\s*$/.exec(last?.type === "text" ? last.content.slice(-300) : "") ?? [];
  if (whole === undefined || !last) return undefined;
  last.content = last.content.slice(0, -whole.length);
  return id;
}

function textOf(children: readonly Token[]): string {
  const shown = children.filter(({ type }) => /^(?:text|code_inline|image|softbreak|hardbreak)$/.test(type));
  return shown.map(({ type, content }) => (type.endsWith("break") ? " " : content)).join("");
}

function slugOf(text: string): string {
  return text
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc}\s-]/gu, "")
    .replaceAll(/\s/g, "-");
}

function uniqueId(slug: string, ids: ReadonlySet<string>, counts: Map<string, number>): string {
  let count = counts.get(slug) ?? 0;
  const named = () => (count === 0 ? slug || "section" : `${slug || "section"}-${count}`);
  while (ids.has(named())) count += 1;
  counts.set(slug, count);
  return named();
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
