import * as fc from "fast-check";
import { one } from "./values.ts";

// Forms (`multipart/form-data`) by hand, since no library sends odd ones.

export interface FormPlan {
  /** JSON text for values that are no text. */
  readonly fields: Readonly<Record<string, unknown>> | null;
  readonly file: FormFile | null;
  /** Of the texts in the form; a part says so of itself. */
  readonly charset: Charset;
  /** Fields that come a second time. */
  readonly again: boolean;
  readonly boundary: string;
}

interface FormFile {
  readonly name: string;
  /** `plain`: in quotes; `coded`: as `filename*`, in the form's character set. */
  readonly spelling: "plain" | "coded";
  readonly type: string;
  readonly content: string;
}

const CHARSETS = { "": "utf8", "utf-8": "utf8", latin1: "latin1", "utf-16le": "utf16le", "x-unknown": "utf8" } as const;
type Charset = keyof typeof CHARSETS;

/** Texts that are half a character, or are none that a name may hold. */
const ODD = [
  "\ud800",
  "a\udc00.csv",
  "\ud83d\ude00.csv",
  "..",
  "a/b",
  "a\\b",
  "\u0000",
  "\ufeffa",
  '"',
  "\r\nx: y",
  "",
  "\u202efdp.exe",
];
const name = fc.oneof(
  one("customers.csv"),
  one(...ODD),
  fc.string({ unit: "binary", maxLength: 40 }),
) as fc.Arbitrary<string>;
const oddText = fc.oneof(one(...ODD), fc.string({ unit: "binary", maxLength: 20 }));

const file: fc.Arbitrary<FormFile> = fc.record({
  name,
  spelling: fc.constantFrom("plain", "plain", "coded"),
  type: fc.oneof(
    { weight: 4, arbitrary: fc.constant("text/csv") },
    fc.constantFrom("", "text/\u00e9", "a", "text/plain; charset=x"),
  ),
  content: fc.oneof({ weight: 4, arbitrary: fc.string({ minLength: 1, maxLength: 200 }) }, fc.constant("")),
});

export const forms: fc.Arbitrary<FormPlan> = fc.record({
  fields: fc.record(
    {
      jobType: fc.oneof({ weight: 6, arbitrary: fc.constant("example") }, oddText),
      payload: fc.oneof(
        { weight: 6, arbitrary: fc.record({ words: fc.array(fc.string(), { minLength: 1, maxLength: 3 }) }) },
        { weight: 1, arbitrary: fc.record({ words: fc.array(oddText, { maxLength: 3 }) }) },
        { weight: 1, arbitrary: fc.constantFrom("{", "null", '{"words":["\\ud800"]}', '{"\\udc00":1}') },
      ),
      meta: fc.dictionary(fc.string(), fc.oneof(oddText, fc.jsonValue()), { maxKeys: 3 }),
      idempotencyKey: fc.oneof(
        fc.nat(30).map((n) => `key-${n}`),
        oddText,
      ),
    },
    { requiredKeys: ["jobType", "payload"] },
  ),
  file: fc.option(file, { freq: 12 }),
  charset: fc.oneof(
    { weight: 5, arbitrary: fc.constant("" as const) },
    fc.constantFrom(...(Object.keys(CHARSETS) as Charset[])),
  ),
  again: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, fc.constant(true)),
  boundary: fc.oneof({ weight: 9, arbitrary: fc.constant("fuzz") }, fc.constantFrom("", "a b", "x".repeat(100))),
});

export function formType({ boundary }: FormPlan): string {
  return `multipart/form-data; boundary=${/\s/.test(boundary) ? `"${boundary}"` : boundary}`;
}

export function formBytes({ fields, file: sent, charset, again, boundary }: FormPlan): Buffer {
  const encoding = CHARSETS[charset];
  const bytesOf = (text: string) => Buffer.from(text, encoding);
  const type = charset === "" ? "" : `\r\ncontent-type: text/plain; charset=${charset}`;
  const parts = Object.entries(fields ?? {}).map(([field, value]) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return [Buffer.from(`form-data; name="${field}"${type}`), bytesOf(text)] as const;
  });
  if (sent) {
    const spelt =
      sent.spelling === "plain"
        ? `filename="${sent.name}"`
        : `filename*=${charset || "utf-8"}''${[...bytesOf(sent.name)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("")}`;
    const head = `form-data; name="file"; ${spelt}${sent.type && `\r\ncontent-type: ${sent.type}`}`;
    parts.push([Buffer.from(head), Buffer.from(sent.content)]);
  }
  const all = again ? [...parts, ...parts.slice(0, 1)] : parts;
  const lines = all.flatMap(([head, content]) => [
    Buffer.from(`--${boundary}\r\ncontent-disposition: `),
    head,
    Buffer.from("\r\n\r\n"),
    content,
    Buffer.from("\r\n"),
  ]);
  return Buffer.concat([...lines, Buffer.from(`--${boundary}--\r\n`)]);
}
