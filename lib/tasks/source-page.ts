import type { Row } from "../datasets/dataset.ts";
import { isExactNumber, isNumber, parseExactly } from "../job/exact-json.ts";
import type { AnswerHeaders } from "../outbound/answer-body.ts";
import { nextLink } from "../outbound/next-link.ts";
import { quoted } from "./columns.ts";
import { unpackedSource } from "./packed-source.ts";
import { csvRows, type CsvEvents } from "./sync-csv.ts";
import { paginationOf, type Sync } from "./sync-payload.ts";

// An answer of a source, as rows.

/** Why an answer is no page, as what follows "Page 1 ": another attempt would not help. */
export class BadPage extends Error {}

export interface Page {
  /** A list, but for a source of one page that is no JSON: its rows come as they are read. */
  readonly rows: readonly Row[] | AsyncIterable<Row>;
  /** What names the next page, as the answer has it. */
  readonly next?: string | undefined;
}

export interface PageAnswer {
  readonly headers: AnswerHeaders;
  readonly body: AsyncIterable<Uint8Array>;
}

/** True for a source whose one page need not fit into memory. */
export function isStreamed(asked: Sync): boolean {
  return asked.format !== "json" && paginationOf(asked).by === "none";
}

const LARGEST_PAGE = 8 * 1_024 * 1_024;
const LARGEST_STREAM = 1_024 * 1_024 * 1_024;

/** Of an answer, unpacked. */
export function mostBytesOf(asked: Sync): number {
  return isStreamed(asked) ? LARGEST_STREAM : LARGEST_PAGE;
}

/** `isFirst`: nothing has been read before. */
export async function pageOf(asked: Sync, answer: PageAnswer, isFirst: boolean, events: CsvEvents): Promise<Page> {
  const { headers } = answer;
  const body = unpackedSource(answer.body, mostBytesOf(asked));
  const pagination = paginationOf(asked);
  const linked = pagination.by === "link" ? { next: nextLink(headers["link"]) } : {};
  if (asked.format !== "json") {
    const rows = asked.format === "csv" ? csvRows(body, asked, events) : ndjsonRows(body);
    return { rows: isStreamed(asked) ? rows : await allOf(rows), ...linked };
  }
  const content = jsonOf(await wholeText(body));
  const rows = itemsOf(content, pagination.items, isFirst);
  if (pagination.by === "cursor") return { rows, next: cursorOf(valueAt(content, pagination.next), pagination.next) };
  if (pagination.by === "url") return { rows, next: linkOf(valueAt(content, pagination.next), pagination.next) };
  return { rows, ...linked };
}

async function wholeText(body: AsyncIterable<Uint8Array>): Promise<string> {
  const bytes = Buffer.concat(await allOf(body));
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new BadPage("is not UTF-8");
  }
}

async function allOf<T>(parts: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const part of parts) all.push(part);
  return all;
}

function jsonOf(text: string): unknown {
  try {
    return parseExactly(text);
  } catch (error) {
    throw new BadPage(isTooDeep(error) ? TOO_DEEP : "is not JSON: expected an object with items, or an array of them");
  }
}

/** Levels of arrays and objects, with the item. What is much deeper could be neither written nor read again. */
const DEEPEST = 100;
const TOO_DEEP = `has an item that is nested deeper than ${DEEPEST} levels`;

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((each) => isDeeper(each, levels - 1));
}

/** The error of a parser whose stack is at its end. */
function isTooDeep(error: unknown): boolean {
  return error instanceof RangeError;
}

/** Some sources write null for an empty list, and leave it out on later pages. */
function itemsOf(answer: unknown, path: string, isFirst: boolean): readonly Row[] {
  const found = Array.isArray(answer) ? (answer as unknown[]) : valueAt(answer, path);
  const items = found === null || (found === undefined && !isFirst && isObject(answer)) ? [] : found;
  if (!Array.isArray(items)) {
    const there = isObject(answer)
      ? Object.keys(answer as Row)
          .slice(0, 10)
          .map(quoted)
          .join(", ")
      : "";
    const known = there === "" ? "" : `; the answer has ${there}`;
    throw new BadPage(`has no array ${quoted(path)}: set pagination.items to its name or path${known}`);
  }
  const other = items.findIndex((item) => !isObject(item));
  if (other >= 0) throw new BadPage(`has an item ${other + 1} that is not an object`);
  if (items.some((item) => isDeeper(item, DEEPEST))) throw new BadPage(TOO_DEEP);
  return items as Row[];
}

/** `undefined` at the end. */
function cursorOf(next: unknown, path: string): string | undefined {
  if (isNone(next)) return undefined;
  if (typeof next !== "string" && !isNumber(next)) throw new BadPage(`has a ${path} that is neither text nor a number`);
  return isExactNumber(next) ? next.rawJSON : String(next);
}

/** A link is text, or as in JSON:API an object with `href`. `undefined` at the end. */
function linkOf(next: unknown, path: string): string | undefined {
  const link = isObject(next) ? valueAt(next, "href") : next;
  if (isNone(link)) return undefined;
  if (typeof link === "string") return link;
  throw new BadPage(`has a ${path} that is no URL: expected text; set pagination.next to the field with the URL`);
}

function isNone(next: unknown): boolean {
  return next === undefined || next === null || next === "" || next === false;
}

/**
 * The value at a path such as `data.items`. A field whose name has dots itself, such as `@odata.nextLink`, comes before
 * fields within fields.
 */
export function valueAt(of: unknown, path: string): unknown {
  if (!isObject(of)) return undefined;
  const fields = of as Row;
  if (Object.hasOwn(fields, path)) return fields[path];
  for (let dot = path.lastIndexOf("."); dot > 0; dot = path.lastIndexOf(".", dot - 1)) {
    const name = path.slice(0, dot);
    const found = Object.hasOwn(fields, name) ? valueAt(fields[name], path.slice(dot + 1)) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isExactNumber(value);
}

/** In characters. */
const LONGEST_LINE = 8 * 1_024 * 1_024;

/** One JSON object a line; empty lines are left out. */
async function* ndjsonRows(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Row> {
  let number = 0;
  for await (const lines of linesOf(chunks)) {
    for (const line of lines) {
      number += 1;
      if (line.trim() !== "") yield rowOf(line, number);
    }
  }
}

function rowOf(line: string, number: number): Row {
  let row: unknown;
  try {
    row = parseExactly(line);
  } catch (error) {
    if (isTooDeep(error)) throw new BadPage(TOO_DEEP);
    // The check below refuses it.
  }
  if (isDeeper(row, DEEPEST)) throw new BadPage(TOO_DEEP);
  if (isObject(row)) return row as Row;
  throw new BadPage(`has a line ${number} that is not a JSON object: ${quoted(line)}`);
}

/** The lines that each chunk ends: one at a time, a gigabyte of empty ones would take an hour. */
async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<readonly string[]> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let begun: string[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    const [first = "", ...others] = decoded(decoder, chunk).split("\n");
    begun.push(first);
    length += first.length;
    if (length > LONGEST_LINE) throw new BadPage(`has a line longer than ${LONGEST_LINE} characters`);
    const last = others.pop();
    if (last === undefined) continue;
    yield [begun.join(""), ...others];
    begun = [last];
    ({ length } = last);
  }
  yield [begun.join("") + decoded(decoder)];
}

function decoded(decoder: InstanceType<typeof TextDecoder>, chunk?: Uint8Array): string {
  try {
    return chunk ? decoder.decode(chunk, { stream: true }) : decoder.decode();
  } catch {
    throw new BadPage("is not UTF-8");
  }
}
