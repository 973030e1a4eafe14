import { Jobs } from "unified-jobs";

// The settings of the examples, and the client, which repeats a request until the service has answered.

const { JOBS_URL = "http://127.0.0.1:3000", JOBS_TOKEN } = process.env;
export const { TARGET_URL = `${JOBS_URL}/echo` } = process.env;

if (!JOBS_TOKEN) {
  console.error(
    "JOBS_TOKEN is not set. For the local stack: export JOBS_TOKEN=$(npm run --silent token -- --app UUID)",
  );
  process.exit(1);
}

export const jobs = new Jobs({ url: JOBS_URL, token: JOBS_TOKEN });

export function printJob({ id, executionType, status }) {
  console.log(JSON.stringify({ id, executionType, status }));
}
