import type { Status } from "./api/shapes.ts";
import { now } from "./time.ts";
import { WAITING_MANY } from "./what.ts";

// The search of jobs: words such as `status:dead host:x after:2h`. What the server can't filter has no word.

export interface Word {
  readonly name: string;
  readonly hint: string;
  readonly values?: readonly string[];
}

const STATUS_WORDS: Readonly<Record<string, Status>> = {
  waiting: "PENDING",
  running: "RUNNING",
  retrying: "RETRYING",
  succeeded: "SUCCEEDED",
  failed: "FAILED",
  dead: "DEAD",
  cancelled: "CANCELLED",
};

export const WORDS: readonly Word[] = [
  {
    name: "status",
    hint: "waiting, running, retrying, succeeded, failed, dead, cancelled",
    values: Object.keys(STATUS_WORDS),
  },
  {
    name: "waiting",
    hint: `what for: ${Object.keys(WAITING_MANY).join(", ")}`,
    values: Object.keys(WAITING_MANY),
  },
  { name: "host", hint: "of the destination" },
  { name: "error", hint: "words in the last error" },
  {
    name: "type",
    hint: "of execution",
    values: ["rest-api", "lambda-invoke", "lambda-url", "task", "schedule", "group"],
  },
  {
    name: "task",
    hint: "a built-in task, such as export_report",
    values: ["export_report", "import_csv", "data_processing", "notification", "sync", "cleanup", "generate_pdf"],
  },
  { name: "key", hint: "idempotency key; order-12* for all that begin so" },
  { name: "http", hint: "status of the last answer, such as 503" },
  { name: "label", hint: "a label of the job" },
  { name: "parent", hint: "id of the job before" },
  { name: "group", hint: "id of the group" },
  { name: "schedule", hint: "key of the schedule" },
  {
    name: "after",
    hint: "created after: yesterday, 2h, 3d or 2026-01-31",
    values: ["1h", "24h", "today", "yesterday", "7d"],
  },
  { name: "before", hint: "created before: today, 2h or 2026-01-31", values: ["1h", "today", "yesterday", "7d"] },
  { name: "updated", hint: "changed after: 10m", values: ["10m", "1h", "today", "yesterday"] },
  { name: "updated-before", hint: "not changed since: 2h", values: ["1h", "today", "yesterday", "7d"] },
  { name: "id", hint: "ids, with commas between them" },
];

const PARAMETERS: Readonly<Record<string, string>> = {
  host: "host",
  error: "errorContains",
  type: "executionType",
  task: "jobType",
  http: "httpStatus",
  label: "label",
  parent: "parentId",
  group: "group",
  schedule: "schedule",
  id: "ids",
};
const TIMES: Readonly<Record<string, string>> = {
  after: "createdAfter",
  before: "createdBefore",
  updated: "updatedAfter",
  "updated-before": "updatedBefore",
};

/** As query parameters of the list, and as the body of a bulk action. */
export type Filter = Readonly<Record<string, string | readonly string[]>>;

export interface Parsed {
  readonly filter: Filter;
  readonly problems: readonly string[];
}

/** The list of jobs that a text searches. */
export function searchOf(text: string): string {
  return text === "" ? "/jobs" : `/jobs?q=${encodeURIComponent(text)}`;
}

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

export function isId(text: string): boolean {
  return UUID.test(text.trim());
}

type SearchWord = readonly [name: string, value: string, isQuoted: boolean];

/** The words of a search; quotes hold a value with spaces, or with commas, together. */
export function wordsOf(text: string): readonly SearchWord[] {
  const words = text.match(/[^\s"]*"[^"]*"?|\S+/g) ?? [];
  return words.map((word) => {
    const plain = word.replaceAll('"', "");
    const isQuoted = plain !== word;
    const at = plain.indexOf(":");
    return at < 0 ? ["", plain, isQuoted] : [plain.slice(0, at).toLowerCase(), plain.slice(at + 1), isQuoted];
  });
}

/** Commas are "or", and so is a word that stands twice. A relative time stays as it is in the URL. */
export function parseFilter(text: string): Parsed {
  const filter: Record<string, string | string[]> = {};
  const problems: string[] = [];
  const add = (parameter: string, values: readonly string[]) =>
    void (filter[parameter] = [...[filter[parameter] ?? []].flat(), ...values]);
  const set = (parameter: string, value: string, name: string) => {
    if (filter[parameter] !== undefined) problems.push(`“${name}:” is given twice: expected one value`);
    filter[parameter] = value;
  };
  for (const [name, value, isQuoted] of wordsOf(text)) {
    if (value === "" && name !== "") continue;
    const list = isQuoted ? [value] : value.split(",").filter((each) => each !== "");
    if (name === "status" || name === "waiting") {
      const { known, unknown } = read(name, list);
      if (unknown !== undefined) problems.push(unknown);
      else add(name, known);
    } else if (Object.hasOwn(TIMES, name)) {
      const time = timeIn(value);
      if (time === undefined)
        problems.push(`“${value}” is no time: 30m, 2h, 3d, today, yesterday or a date such as 2026-01-31`);
      else set(TIMES[name] ?? "", time, name);
    } else if (name === "" || name === "key") {
      for (const each of list)
        if (isId(each)) add("ids", [each]);
        else if (name === "key" && !each.endsWith("*")) set("idempotencyKey", each, name);
        else add("keyPrefix", [each.replace(/\*$/, "")]);
    } else if (Object.hasOwn(PARAMETERS, name)) add(PARAMETERS[name] ?? "", list);
    else problems.push(`There is no word “${name}:”: ${WORDS.map((word) => word.name).join(", ")}`);
  }
  return { filter, problems };
}

/** As the service names them, or what is wrong with the first that it does not know. */
function read(name: "status" | "waiting", list: readonly string[]) {
  const words = name === "status" ? Object.keys(STATUS_WORDS) : Object.keys(WAITING_MANY);
  const statuses: readonly string[] = Object.values(STATUS_WORDS);
  const known = list.map((each) => {
    const word = each.toLowerCase();
    if (name === "waiting") return word;
    return Object.hasOwn(STATUS_WORDS, word) ? (STATUS_WORDS[word] ?? "") : each.toUpperCase();
  });
  const strange = known.find((each) => !(name === "status" ? statuses : words).includes(each));
  const what = name === "status" ? "is no status" : "is nothing that jobs wait for";
  return { known, unknown: strange && `“${strange.toLowerCase()}” ${what}: ${words.join(", ")}` };
}

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

function timeIn(text: string): string | undefined {
  const [, count, unit = ""] = /^(\d{1,5})([smhdw])$/i.exec(text) ?? [];
  if (count !== undefined) return new Date(now() - Number(count) * (UNIT_MS[unit.toLowerCase()] ?? 0)).toISOString();
  const daysAgo = ["today", "yesterday"].indexOf(text.toLowerCase());
  if (daysAgo >= 0) {
    const day = new Date(now());
    return new Date(day.getFullYear(), day.getMonth(), day.getDate() - daysAgo).toISOString();
  }
  // A day begins where whoever looks is, as the times that are shown.
  const time = Date.parse(text.length === 10 ? `${text}T00:00` : text);
  return /^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(time) ? new Date(time).toISOString() : undefined;
}

/** The text with a word set, or left out. */
export function withWord(text: string, name: string, value: string | undefined): string {
  const others = wordsOf(text).filter(([each]) => each !== name);
  const written = others.map((each) => wordText(...each));
  return [...written, ...(value === undefined ? [] : [wordText(name, value, false)])].join(" ");
}

function wordText(name: string, value: string, isQuoted: boolean): string {
  const quoted = isQuoted || /\s/.test(value) ? `"${value}"` : value;
  return name === "" ? quoted : `${name}:${quoted}`;
}

/** Suggestions for the last word of a text. `known`: values of a word that have been seen lately. */
export function suggestions(
  text: string,
  known: (name: string) => readonly string[] = () => [],
): { readonly value: string; readonly hint?: string }[] {
  const last = /(\S*)$/.exec(text)?.[1] ?? "";
  const at = last.indexOf(":");
  if (at < 0) {
    return WORDS.filter(({ name }) => name.startsWith(last.toLowerCase())).map(({ name, hint }) => ({
      value: `${name}:`,
      hint,
    }));
  }
  const word = WORDS.find(({ name }) => name === last.slice(0, at).toLowerCase());
  const typed = last.slice(at + 1).split(",");
  const begun = typed.at(-1)?.toLowerCase() ?? "";
  const before = typed
    .slice(0, -1)
    .map((each) => `${each},`)
    .join("");
  return (word?.values ?? known(word?.name ?? ""))
    .filter((value) => value.includes(begun) && value !== begun)
    .map((value) => ({ value: `${last.slice(0, at)}:${before}${value}` }));
}

/** The text after a suggestion is taken for its last word. */
export function taken(text: string, value: string): string {
  const before = text.replace(/\S*$/, "");
  return before + value + (value.endsWith(":") ? "" : " ");
}
