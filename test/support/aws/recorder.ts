import { subscribe } from "node:diagnostics_channel";
import { appendFileSync } from "node:fs";
import type { ClientRequest } from "node:http";
import { join } from "node:path";
import { AwsRequest, Memory } from "./rule.ts";
import { RULES } from "./rules.ts";

// Sees every request of the AWS SDK that this process makes, and every use of a signed link, and holds it to the rules.
// What breaks one is written to the folder that RECORDED_REQUESTS names; the end of the run reads it (verdict.ts).
// Test processes call it; the processes that they start are given preload.ts by NODE_OPTIONS.

/** What a rule needs to see of a body. Beyond are the bytes of files. */
const LARGEST_SEEN = 8 * 1_024 * 1_024;

const folder = process.env["RECORDED_REQUESTS"];
const memory = new Memory();
let tell = report;

/** The rules that the requests of `work` break, which count as no fault. */
export async function brokenBy(work: () => Promise<unknown>): Promise<string[]> {
  const broken: string[] = [];
  tell = (says) => broken.push(says);
  try {
    await work();
  } finally {
    tell = report;
  }
  return broken;
}

const told = new Map<string, number>();
/** Of one operation and rule, by one process. */
const MOST_TOLD = 5;

function report(says: string, { operation, path }: AwsRequest): void {
  const kind = `${operation}: expected that ${says}`;
  const times = (told.get(kind) ?? 0) + 1;
  told.set(kind, times);
  if (folder === undefined || times > MOST_TOLD) return;
  appendFileSync(join(folder, String(process.pid)), `${kind}; ${path} by ${process.argv.join(" ")}\n`);
}

/** The rules that a request breaks. */
function judge(request: AwsRequest): string[] {
  const { operation, query, bytes } = request;
  if (operation === "s3 UploadPart") memory.parts.set(`${query.get("uploadId")} ${query.get("partNumber")}`, bytes);
  const service = operation.split(" ")[0];
  return RULES.flatMap(([says, of, isBroken]) => {
    if (of !== operation && of !== service) return [];
    try {
      return isBroken(request) ? [says] : [];
    } catch (error) {
      return [`a rule can read it: ${String(error)}`];
    }
  });
}

/** What is refused here too has found its judge. */
function isTaken(status: number | undefined): boolean {
  return status !== undefined && status < 400;
}

/** Collects what is written to a request, and judges it once it was taken. */
function watch(request: ClientRequest): void {
  if (!request.hasHeader("amz-sdk-invocation-id")) return;
  const chunks: Buffer[] = [];
  let bytes = 0;
  const take = (chunk: unknown) => {
    if (typeof chunk !== "string" && !(chunk instanceof Uint8Array)) return;
    const taken = Buffer.from(chunk);
    bytes += taken.length;
    if (bytes <= LARGEST_SEEN) chunks.push(taken);
  };
  const write = request.write.bind(request) as (...args: unknown[]) => boolean;
  const end = request.end.bind(request) as (...args: unknown[]) => ClientRequest;
  request.write = (...args: unknown[]) => {
    take(args[0]);
    return write(...args);
  };
  request.end = (...args: unknown[]) => {
    take(args[0]);
    request.write = write;
    const headers = Object.fromEntries(
      Object.entries(request.getHeaders()).map(([name, value]) => [name, String(value)]),
    );
    const { method, path: url, shouldKeepAlive: isKept } = request as ClientRequest & { shouldKeepAlive: boolean };
    const whole = new AwsRequest({ method, url, headers, body: Buffer.concat(chunks), bytes, isKept }, memory);
    const broken = judge(whole);
    if (broken.length === 0) return end(...args);
    request.prependOnceListener("response", ({ statusCode }) => {
      if (isTaken(statusCode)) for (const says of broken) tell(says, whole);
    });
    return end(...args);
  };
}

let isOn = false;

/** Begins, once in a process. */
export function record(): void {
  if (isOn) return;
  isOn = true;
  subscribe("http.client.request.created", (message) => watch((message as { request: ClientRequest }).request));
  subscribe("undici:request:headers", (message) => {
    const { request, response } = message as { request: Fetched; response: { statusCode: number } };
    const { method, path: url } = request;
    if (!url.includes("X-Amz-Signature=") || !isTaken(response.statusCode)) return;
    const link = new AwsRequest({ method, url, headers: {}, body: Buffer.alloc(0), bytes: 0, isKept: false }, memory);
    for (const says of judge(link)) tell(says, link);
  });
}

interface Fetched {
  readonly method: string;
  readonly path: string;
}
