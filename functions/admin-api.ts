import { deleteSecret, getApp, listAudit, putApp, rotateSecret } from "../lib/api/apps.ts";
import { listDestinations, resumeDestination } from "../lib/api/destinations.ts";
import { httpFunction } from "../lib/api/http.ts";
import { getStats } from "../lib/api/stats.ts";
import { cancelJob, deadletterJob, deleteJob, getJob, listAppJobs, retryJob } from "../lib/api/unified.ts";

export const handler = httpFunction([
  listAppJobs,
  getJob,
  retryJob,
  cancelJob,
  deadletterJob,
  deleteJob,
  getStats,
  listDestinations,
  resumeDestination,
  getApp,
  putApp,
  rotateSecret,
  deleteSecret,
  listAudit,
]);
