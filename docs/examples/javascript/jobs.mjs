import axios from "axios";
import { setTimeout as sleep } from "node:timers/promises";

// The settings of the examples, and `createJob`, which posts a job until the service has answered.

const { JOBS_URL = "http://127.0.0.1:3000", JOBS_TOKEN } = process.env;
export const { TARGET_URL = `${JOBS_URL}/echo` } = process.env;

if (!JOBS_TOKEN) {
  console.error(
    "JOBS_TOKEN is not set. For the local stack: export JOBS_TOKEN=$(npm run --silent token -- --app UUID)",
  );
  process.exit(1);
}

/** Posts a job and returns it. Throws the API's message and details if the job is refused. */
export async function createJob(job) {
  for (const pauseMs of [1_000, 2_000, 4_000]) {
    const answer = await post(job).catch(() => undefined);
    if (answer && answer.status !== 503) return jobIn(answer);
    // The job may have been accepted or not, so post it again with the same idempotency key.
    await sleep(pauseMs);
  }
  return jobIn(await post(job));
}

async function post(job) {
  const options = {
    headers: { Authorization: `Bearer ${JOBS_TOKEN}` },
    timeout: 30_000,
    // `createJob` handles every status, so none is an error.
    validateStatus: () => true,
  };
  const answer = await axios.post(`${JOBS_URL}/v1/jobs/create`, job, options).catch((error) => error);
  // Axios's own error would show the token when printed.
  if (answer instanceof Error) throw new Error(`No answer from ${JOBS_URL}: ${answer.message || answer.code}`);
  return answer;
}

function jobIn({ status, data }) {
  if (status < 300) return data.data;
  // A proxy before the API may have answered in its own format.
  const { message = JSON.stringify(data), details = [] } = data?.error ?? {};
  const lines = [message, ...details.map((detail) => `${detail.field}: ${detail.message}`)];
  throw new Error(`HTTP ${status}: ${lines.join("\n  ")}`);
}

export function printJob({ id, executionType, status, nextRunAt }) {
  console.log(JSON.stringify({ id, executionType, status, ...(nextRunAt && { nextRunAt }) }));
}

/** The time `days` from now for `at(...)`: in UTC, without the Z. */
export function daysAhead(days) {
  return new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 19);
}
