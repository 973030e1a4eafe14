import { httpFunction } from "../lib/api/http.ts";
import { pollSqs, processScheduledMessage, runDbJobs, runJobs } from "../lib/api/internal.ts";

export const handler = httpFunction([runJobs, runDbJobs, pollSqs, processScheduledMessage]);
