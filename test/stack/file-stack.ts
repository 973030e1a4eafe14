import { expect } from "vitest";
import { checkAnswer } from "../support/api-document.ts";
import { newApp, sharedStack, tokenFor, type Answer, type Stack } from "../support/stack.ts";

// The stack of the tests of jobs about files, with the files in the embedded S3.

/** Set by `startFileStack`. */
export let stack: Stack;

export async function startFileStack(): Promise<void> {
  stack = await sharedStack();
}

export const ALL = ["job:Create", "job:Read"];
export const IMPORT = { dataset: "customers", columns: { name: "string", age: "integer" } };
export const CSV = "name,age\nAnn,31\nBen,x\nCid,17\n";
export const MIB = 1_024 * 1_024;

export async function user(appId: string, sub = "ann", permissions = ALL): Promise<string> {
  return tokenFor({ appId, sub, roles: [], permissions });
}

export interface FormOptions {
  readonly jobType?: string;
  readonly payload?: unknown;
  readonly meta?: unknown;
  readonly content?: string | Uint8Array<ArrayBuffer>;
  readonly name?: string;
  readonly type?: string;
  readonly more?: (form: FormData) => void;
}

export function formOf({
  jobType = "import_csv",
  payload = IMPORT,
  meta,
  content = CSV,
  name,
  type,
  more,
}: FormOptions) {
  const form = new FormData();
  form.append("jobType", jobType);
  form.append("payload", typeof payload === "string" ? payload : JSON.stringify(payload));
  if (meta !== undefined) form.append("meta", typeof meta === "string" ? meta : JSON.stringify(meta));
  form.append("file", new Blob([content], { type: type ?? "text/csv" }), name ?? "customers.csv");
  more?.(form);
  return form;
}

/** Sends a body that is not JSON, and checks the answer against the API document. */
export async function post(
  token: string,
  body: NonNullable<RequestInit["body"]>,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const path = "/api/jobs";
  const response = await fetch(stack.url + path, {
    method: "POST",
    body,
    headers: { authorization: `Bearer ${token}`, ...headers },
  });
  const text = await response.text();
  checkAnswer({ method: "POST", path, status: response.status, headers: response.headers, text });
  return { status: response.status, headers: response.headers, body: JSON.parse(text) };
}

export const upload = async (token: string, form: FormOptions = {}, headers: Record<string, string> = {}) =>
  post(token, formOf(form), headers);

export const get = async (token: string, path: string) => stack.call("GET", path, { token });
export const send = async (token: string, path: string, body: unknown) => stack.call("POST", path, { token, body });

/** Waits until a job has ended, and returns it. */
export async function ended(token: string, id: string): Promise<Answer["body"]> {
  let job: Answer["body"];
  await expect
    .poll(async () => (job = (await get(token, `/api/jobs/${id}`)).body).status, { interval: 100 })
    .toMatch(/COMPLETED|FAILED/);
  return job;
}

export interface Part {
  readonly partNumber: number;
  readonly etag: string;
}

/** Sends each part of an announced file to its URL, like a browser. */
export async function putParts(
  parts: readonly { partNumber: number; url: string }[],
  content: Uint8Array<ArrayBuffer>,
  partSize: number,
): Promise<Part[]> {
  const sent: Part[] = [];
  for (const { partNumber, url } of parts) {
    const body = content.subarray((partNumber - 1) * partSize, partNumber * partSize);
    const response = await fetch(url, { method: "PUT", body });
    expect(response.status).toBe(200);
    sent.push({ partNumber, etag: response.headers.get("etag") ?? "" });
  }
  return sent;
}

export const bytesOf = (text: string) => new Uint8Array(Buffer.from(text));

/** Announces a file and sends its parts. */
export async function begin(token: string, content: Uint8Array<ArrayBuffer>, announced: object = {}) {
  const file = { fileName: "customers.csv", size: content.length, contentType: "text/csv", ...announced };
  const { status, body } = await send(token, "/api/jobs/uploads", file);
  expect(status).toBe(201);
  return { fileKey: body.fileKey as string, parts: await putParts(body.parts, content, body.partSize) };
}

export async function uploaded(token: string, content = bytesOf(CSV), announced: object = {}): Promise<string> {
  const begun = await begin(token, content, announced);
  const completed = await send(token, "/api/jobs/uploads/complete", begun);
  expect(completed.status).toBe(200);
  return begun.fileKey;
}

/** A paused app, whose jobs all wait. */
export async function pausedApp(): Promise<{ token: string }> {
  const { appId, token } = await newApp();
  const paused = { version: 0, paused: true };
  expect((await stack.call("PUT", `/v1/admin/apps/${appId}`, { token, body: paused })).status).toBe(200);
  return { token };
}
