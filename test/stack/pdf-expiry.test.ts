import { ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { endStacks, newApp, startStack, until } from "../support/stack.ts";

afterAll(endStacks);

test("a PDF is deleted after 24 hours, and its job says so", async () => {
  const stack = await startStack({ env: { SPEED: "20000" } });
  const { environment } = JSON.parse(readFileSync(join(stack.dir, "stack.json"), "utf8"));
  const s3 = new S3Client({
    endpoint: environment.AWS_ENDPOINT_URL_S3,
    forcePathStyle: true,
    region: "local",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
  });
  const files = async () => {
    const list = new ListObjectsV2Command({ Bucket: environment.S3_JOBS_BUCKET_NAME, Prefix: "pdfs/" });
    return (await s3.send(list)).Contents ?? [];
  };
  const { token } = await newApp();
  const body = { input_type: "markdown", markdown: "# Soon gone" };
  const { body: accepted } = await stack.call("POST", "/longjob", { token, body });
  const shown = async () => (await stack.call("GET", `/jobs/${accepted.job_id}`, { token })).body;
  const made = await until(async () => {
    const job = await shown();
    return job.status === "completed" && job;
  });
  expect(await files()).toHaveLength(1);
  expect(Date.parse(made.s3_url_expires_at)).toBeLessThanOrEqual(Date.parse(made.completed_at) + 24 * 3_600_000);

  const gone = await until(async () => {
    const job = await shown();
    return job.s3_url === null && job;
  });
  expect(gone).toMatchObject({
    status: "completed",
    pages: 1,
    s3_url_expires_at: null,
    message: "The file was deleted after 24 hours",
  });
  const typed = await stack.call("GET", `/v1/jobs/${accepted.job_id}/status`, { token });
  expect(typed.body.job.result).toMatchObject({ downloadUrl: null, pages: 1 });
  await until(async () => (await files()).length === 0);
});
