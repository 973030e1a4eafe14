import { httpFunction } from "../lib/api/http.ts";
import { getJob, listAppJobs } from "../lib/api/unified.ts";

export const handler = httpFunction([listAppJobs, getJob]);
