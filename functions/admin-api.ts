import { httpFunction } from "../lib/api/http.ts";
import { getStats } from "../lib/api/stats.ts";
import { cancelJob, deadletterJob, deleteJob, getJob, listAppJobs, retryJob } from "../lib/api/unified.ts";

export const handler = httpFunction([listAppJobs, getJob, retryJob, cancelJob, deadletterJob, deleteJob, getStats]);
