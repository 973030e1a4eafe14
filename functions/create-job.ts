import { httpFunction } from "../lib/api/http.ts";
import { createCallbackJob } from "../lib/api/legacy.ts";
import { createJob, createJobs } from "../lib/api/unified.ts";

export const handler = httpFunction([createJob, createJobs, createCallbackJob]);
