// What a Markdown file says about itself: lines of YAML between two lines of dashes, of which title and language count.

interface FrontMatter {
  readonly title?: string;
  readonly lang?: string;
  /** The text after it. */
  readonly rest: string;
  readonly warnings: readonly string[];
}

const BLOCK = /^---[ \t]*\n([^]*?\n)(?:---|\.\.\.)[ \t]*(?:\n|$)/;
/** A name may be quoted, and hold spaces. */
const NAME = String.raw`"([^"]{1,60})"|'([^']{1,60})'|([\p{L}\p{N}_][\p{L}\p{M}\p{N}_./ -]{0,60}?)`;
const FIELD = new RegExp(String.raw`^(?:${NAME})[ \t]{0,20}:(?:[ \t]+(.*))?$`, "u");
/** Beyond a field: a comment, an empty line, a list, the end of one, or an indented line that belongs to the field above. */
const OTHER_LINE = /^(?:#.*|\s*|-(?:\s.*)?|[\]}]|\s+.*)$/;
const LONGEST_TITLE = 500;

/** A text that begins with a line of dashes, and has no fields after it, has no front matter. */
export function frontMatterOf(given: string): FrontMatter {
  const text = given.replace(/^\uFEFF/, "").replaceAll(/\r\n?/g, "\n");
  const [block, lines = ""] = BLOCK.exec(text) ?? [];
  const fields = block === undefined ? undefined : fieldsOf(lines.split("\n"));
  if (block === undefined || !fields?.size) return { rest: text, warnings: [] };
  const title = fields.get("title")?.slice(0, LONGEST_TITLE);
  const lang = fields.get("lang") || fields.get("language") || undefined;
  const isTag = lang === undefined || /^[a-z]{2,8}(?:[-_][a-z\d]{1,8}){0,4}$/i.test(lang);
  return {
    ...(title && { title }),
    ...(lang && isTag && { lang: lang.replaceAll("_", "-") }),
    // Its lines stay empty lines, so that they are not counted differently.
    rest: text.slice(block.length),
    warnings: isTag ? [] : [`The front matter's lang is no language tag: expected one such as de or zh-TW`],
  };
}

/** Undefined if a line is none of YAML's. */
function fieldsOf(lines: readonly string[]): Map<string, string> | undefined {
  const fields = new Map<string, string>();
  let open: string | undefined;
  for (const line of lines) {
    const [, double, single, plain, value = ""] = FIELD.exec(line) ?? [];
    const name = double ?? single ?? plain;
    if (name === undefined && !OTHER_LINE.test(line)) return undefined;
    if (name !== undefined) {
      // `>` and `|` announce that the text is in the indented lines below.
      const isBelow = /^[>|][+-]?\s*$/.test(value) || value === "";
      open = isBelow ? name.toLowerCase() : undefined;
      fields.set(name.toLowerCase(), isBelow ? "" : scalarOf(value));
    } else if (open !== undefined && /^\s+\S/.test(line)) {
      const before = fields.get(open) ?? "";
      if (before.length < LONGEST_TITLE) fields.set(open, `${before} ${line.trim()}`.trim());
    }
  }
  return fields;
}

/** A value as YAML writes it on one line. */
function scalarOf(value: string): string {
  const [, quoted] = /^"((?:[^"\\]|\\.)*)"/.exec(value) ?? [];
  if (quoted !== undefined) return quoted.replaceAll(/\\(.)/g, (_, char: string) => (char === "n" ? " " : char));
  const [, plain] = /^'((?:[^']|'')*)'/.exec(value) ?? [];
  if (plain !== undefined) return plain.replaceAll("''", "'");
  const bare = value.replace(/(?:^|\s)#[^]*/, "").trim();
  return /^(?:~|null)$/i.test(bare) ? "" : bare;
}
