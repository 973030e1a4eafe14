import { waitFor, type Answer } from "./api.ts";
import type { Smoke } from "./check.ts";

// The checks whose jobs have files: an upload that is imported, and PDFs.

const DATASET = "smoke";
const CSV = "name,age\nAnn,31\nCid,17\n";

/** Uploads a file past the functions, into the bucket, imports it, and reads it again by its link. */
export async function fileCheck(on: Smoke): Promise<string> {
  const { api } = on;
  const announced = { fileName: "smoke.csv", size: CSV.length, contentType: "text/csv" };
  const { body: upload } = await api.expect([201], "POST", "/api/jobs/uploads", { body: announced });
  on.left.add(`file ${upload.fileKey} (${CSV.length} bytes): the task cleanup deletes it, once its job is gone`);
  const put = await fetch(upload.parts[0].url, { method: "PUT", body: CSV });
  if (!put.ok) throw new Error(`PUT of the part: expected 200, got ${put.status}: ${(await put.text()).slice(0, 300)}`);
  const parts = [{ partNumber: 1, etag: put.headers.get("etag") }];
  await api.expect([200], "POST", "/api/jobs/uploads/complete", { body: { fileKey: upload.fileKey, parts } });
  const payload = { dataset: DATASET, columns: { name: "string", age: "integer" }, mode: "replace" };
  const { body } = await api.expect([200, 201], "POST", "/api/jobs", {
    body: { jobType: "import_csv", payload, fileKey: upload.fileKey },
    headers: { "idempotency-key": `smoke-${on.run}-file` },
  });
  on.jobs.add(String(body.id));
  const job = await finished(on, `/api/jobs/${body.id}`, "COMPLETED");
  on.left.add(`dataset ${DATASET} (2 rows): the next smoke test writes it over`);
  if (job.result?.imported !== 2) throw new Error(`job ${body.id}: expected 2 rows, got ${JSON.stringify(job.result)}`);
  const file = await download(job.fileUrl);
  if (file.toString() !== CSV) throw new Error("the link to the file does not lead to what was uploaded");
  return "uploaded in a part, imported, and read by its link";
}

const HTML = { input_type: "html", html: "<!doctype html><h1>Smoke</h1><p>One page.</p>" };

export async function quickPdf(on: Smoke): Promise<string> {
  const key = `smoke-${on.run}-quick`;
  const answer = await on.api.call("POST", "/quickjob", { body: { ...HTML, idempotency_key: key } });
  const id = answer.headers.get("x-job-id") ?? answer.body?.job_id;
  if (id) on.jobs.add(String(id));
  const { status, bytes } = answer;
  if (status !== 200) throw new Error(`POST /quickjob: expected 200, got ${status}: ${bytes.toString().slice(0, 300)}`);
  expectPdf(bytes);
  return `${answer.headers.get("x-pdf-pages")} page, ${bytes.length} bytes`;
}

export async function longPdf(on: Smoke): Promise<string> {
  const request = { ...HTML, idempotency_key: `smoke-${on.run}-long` };
  const answer = await on.api.call("POST", "/longjob", { body: request });
  const { status, body, bytes } = answer;
  if (status < 200 || status > 202)
    throw new Error(`POST /longjob: expected 2xx, got ${status}: ${bytes.toString().slice(0, 300)}`);
  on.jobs.add(String(body.job_id));
  const job = await finished(on, `/jobs/${body.job_id}`, "completed");
  on.left.add("a PDF of one page: the bucket deletes it after a day");
  const file = await download(job.s3_url);
  expectPdf(file);
  return `${job.pages} page, by a link`;
}

function expectPdf(bytes: Buffer): void {
  const begins = bytes.subarray(0, 5).toString();
  if (begins !== "%PDF-") throw new Error(`expected a PDF, got ${bytes.length} bytes that begin with "${begins}"`);
}

async function download(url: string): Promise<Buffer> {
  const response = await fetch(url);
  const bytes = Buffer.from(await response.arrayBuffer());
  if (response.status === 200) return bytes;
  throw new Error(`GET of the link: expected 200, got ${response.status}: ${bytes.toString().slice(0, 300)}`);
}

/** A job as its own endpoint shows it, once it has ended in this status. */
async function finished({ api, withinMs, say }: Smoke, path: string, status: string): Promise<Answer["body"]> {
  const job = await waitFor(
    async () => {
      const { body } = await api.expect([200], "GET", path);
      const has = /^(?:completed|failed|timeout)$/i.test(body.status);
      return has ? { found: body } : { seen: `${path} is ${body.status}` };
    },
    { withinMs, say },
  );
  if (job.status === status) return job;
  throw new Error(
    `${path}: expected ${status}, got ${job.status}: ${job.errorReason ?? job.error ?? "no reason given"}`,
  );
}
