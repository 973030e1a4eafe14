import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { endStacks, type Answer } from "../support/stack.ts";
import { CSV, IMPORT, MIB, get, post, startFileStack, upload, user, type FormOptions } from "./file-stack.ts";

// Forms of `POST /api/jobs`: what they may be, and refusals of others.

beforeAll(startFileStack);
afterAll(endStacks);

const detailsOf = ({ body }: Answer) => body.error.details as { field: string; message: string }[];

const json = (content: string | Uint8Array<ArrayBuffer>, type = "application/json") => new Blob([content], { type });
const blob = (name: string, content: string | Uint8Array<ArrayBuffer>, type?: string) => (form: FormData) => {
  form.delete(name);
  form.append(name, json(content, type));
};

const REFUSED: [what: string, form: FormOptions, field: string, message: RegExp][] = [
  ["without a file", { more: (form) => form.delete("file") }, "file", /is missing/],
  ["with a file that is empty", { content: "" }, "file", /is empty/],
  ["with two files", { more: (form) => form.append("file", new Blob(["b"]), "b.csv") }, "file", /one file/],
  ["with a file under another name", { more: (form) => form.append("data", new Blob(["b"]), "b") }, "data", /file/],
  ["with text as the file", { more: (form) => (form.delete("file"), form.append("file", "a")) }, "file", /is text/],
  ["with a field that is too large", { meta: { a: "x".repeat(300_000) } }, "meta", /262144 bytes/],
  ["with a field twice", { more: (form) => form.append("payload", "{}") }, "payload", /twice/],
  ["with an unknown field", { more: (form) => form.append("priority", "1") }, "priority", /not a known field/],
  ["with a fileKey beside the file", { more: (form) => form.append("fileKey", "a") }, "fileKey", /not a known field/],
  ["without a job type", { more: (form) => form.delete("jobType") }, "jobType", /./],
  ["with an unknown job type", { jobType: "import_pdf" }, "jobType", /./],
  ["with a payload that is not JSON", { payload: "{a:1}" }, "payload", /expected JSON/],
  ["with a payload that is no object", { payload: "[1]" }, "payload", /./],
  ["with a payload that is nested too deep", { payload: "[".repeat(40) + "]".repeat(40) }, "payload", /32 levels/],
  ["with a payload of another type", { payload: { ...IMPORT, mode: "merge" } }, "payload.mode", /./],
  ["with a payload that lacks a field", { payload: { dataset: "a" } }, "payload.columns", /./],
  [
    "with a payload of a name that JavaScript reserves",
    { payload: '{"dataset":"a","columns":{"id":"string","__proto__":"string"}}' },
    "payload",
    /__proto__, which JavaScript reserves/,
  ],
  ["with meta of such a name", { meta: '{"a":[{"constructor":{"prototype":1}}]}' }, "meta", /constructor.prototype/],
  ["with meta that is not JSON", { meta: "spring" }, "meta", /expected JSON/],
  ["with folders in the name", { name: "../../etc/passwd" }, "fileName", /no folders/],
  ["with Windows folders in the name", { name: "..\\boot.ini" }, "fileName", /no folders/],
  ["with control characters in the name", { name: "a\u0007.csv" }, "fileName", /no control characters/],
  ["with a name that is too long", { name: `${"ü".repeat(200)}.csv` }, "fileName", /255 bytes/],
  ["with nothing behind the folders of a name", { name: "/data/" }, "fileName", /./],
  ["with a payload as a file of text", { more: blob("payload", "{}", "text/plain") }, "payload", /JSON as application/],
  ["with a payload as text and as JSON", { more: (form) => form.append("payload", json("{}")) }, "payload", /twice/],
  ["with a payload as JSON that is none", { more: blob("payload", "{a") }, "payload", /expected JSON/],
  ["with meta as JSON that is too large", { more: blob("meta", `"${"x".repeat(300_000)}"`) }, "meta", /262144 bytes/],
  ["with meta as JSON that is not UTF-8", { more: blob("meta", Buffer.from([0x22, 0xff, 0x22])) }, "meta", /UTF-8/],
  [
    "with too many files",
    { more: (form) => "abcdefg".split("").forEach((name) => form.append(name, json("{}"))) },
    "body",
    /6 files/,
  ],
  ["with something else than a type", { type: "csv" }, "contentType", /expected a type/],
];

describe("a form is refused", () => {
  let token = "";
  beforeAll(async () => {
    token = await user(randomUUID());
  });
  afterAll(async () => {
    expect((await get(token, "/api/jobs")).body.total).toBe(0);
  });

  test.each(REFUSED)("%s", async (_, form, field, message) => {
    const answer = await upload(token, form);
    expect(answer.status).toBe(400);
    expect(detailsOf(answer)).toContainEqual({ field, message: expect.stringMatching(message) });
  });

  const type = (boundary: string) => ({ "content-type": `multipart/form-data${boundary}` });
  const whole = '--b\r\ncontent-disposition: form-data; name="jobType"\r\n\r\nimport_csv\r\n--b--\r\n';
  test("with a part in another encoding than its own", async () => {
    const part = (encoding: string, head: string) =>
      `--b\r\ncontent-transfer-encoding: ${encoding}\r\ncontent-disposition: form-data; ${head}\r\n\r\nbmFtZQo=\r\n`;
    const body = `${part("Base64", 'name="file"; filename="a.csv"')}${part("quoted-printable", 'name="meta"')}${part("8bit", 'name="jobType"')}--b--\r\n`;
    const answer = await post(token, body, type("; boundary=b"));
    expect([answer.status, detailsOf(answer).map(({ field, message }) => [field, message.split(",")[0]])]).toEqual([
      400,
      [
        ["file", "is in base64"],
        ["meta", "is in quoted-printable"],
      ],
    ]);
  });

  const malformed: [what: string, body: string, boundary: string][] = [
    ["without a boundary", whole, ""],
    ["with another boundary than it says", whole, "; boundary=c"],
    ["that ends before its last boundary", whole.slice(0, -8), "; boundary=b"],
    ["that has no body", "", "; boundary=b"],
    ["that is JSON", "{}", "; boundary=b"],
  ];
  test.each(malformed)("%s", async (_, body, boundary) => {
    const answer = await post(token, body, type(boundary));
    expect(answer.status).toBe(400);
    expect(detailsOf(answer)[0]?.field).toMatch(/^(body|file)$/);
  });

  test("of more than 4 MB", async () => {
    const tooLarge = await upload(token, { content: new Uint8Array(4 * MIB + 1) });
    expect(tooLarge).toMatchObject({ status: 413, body: { error: { code: "PAYLOAD_TOO_LARGE" } } });
  });
});

const NAMES: readonly [given: string, name: string][] = [
  ["C:\\fakepath\\a.csv", "a.csv"],
  ["C:\\Users\\Ann Müller\\März\\a b.csv", "a b.csv"],
  ["\\\\server\\share\\a.csv", "a.csv"],
  ["/home/ann/a.csv", "a.csv"],
  ["folder/a.csv", "a.csv"],
  // A word in base64 has slashes, too: the name of .NET, and that of Spring in two words.
  ["=?utf-8?B?VMO8cj8/Pz8uY3N2?=", "Tür????.csv"],
  ["=?UTF-8?Q?M=C3=BCller_?= =?ISO-8859-1?q?f=FCr.csv?=", "Müller für.csv"],
  ["=?utf-9?Q?a.csv?=", "=?utf-9?Q?a.csv?="],
];

test("a file's name in a form loses its folders, and payload and meta may be parts of JSON", async () => {
  const token = await user(randomUUID());
  for (const [name, fileName] of NAMES) {
    const more = (form: FormData) => {
      blob("payload", `\uFEFF${JSON.stringify(IMPORT)}`)(form);
      blob("meta", '{"from":"ü"}', "application/json;charset=UTF-8")(form);
    };
    const { status, body } = await upload(token, { name, more });
    expect([name, status, body.fileName]).toEqual([name, 201, fileName]);
    expect(body).toMatchObject({ payload: IMPORT, meta: { from: "ü" } });
  }
  // As Spring sends it: a part of JSON without a file's name.
  const part = (head: string, content: string) =>
    `--b\r\nContent-Disposition: form-data; ${head}\r\n\r\n${content}\r\n`;
  const spring =
    part('name="jobType"', "import_csv") +
    part('name="payload"\r\nContent-Type: application/json', JSON.stringify(IMPORT)) +
    part('name="file"; filename="a.csv"\r\nContent-Type: text/csv', CSV);
  const created = await post(token, `${spring}--b--\r\n`, { "content-type": "multipart/form-data; boundary=b" });
  expect(created).toMatchObject({ status: 201, body: { payload: IMPORT } });
});

test("a form of almost 4 MB is taken, and its file comes out as it went in", async () => {
  const token = await user(randomUUID());
  const content = new Uint8Array(4 * MIB - 2_000).map((_, n) => (n * 31) % 256);
  const example = { jobType: "example", payload: { words: ["a"] } };
  const { status, body } = await upload(token, {
    ...example,
    content,
    type: "application/octet-stream",
    name: "b.bin",
  });
  expect(status).toBe(201);
  const back = new Uint8Array(await (await fetch(body.fileUrl)).arrayBuffer());
  expect(Buffer.compare(back, content)).toBe(0);
});
