import { getWebhook, putWebhook } from "./accounts.ts";
import { listDatasets } from "./datasets.ts";
import { deleteSecret, getApp, listAudit, putApp, rotateSecret } from "./apps.ts";
import { abortBulkAction, cancelJobs, getBulkAction, redriveJobs } from "./bulk.ts";
import { listDestinations, resumeDestination } from "./destinations.ts";
import { createFileJob, getFileJob, listFileJobLogs, listFileJobs } from "./files.ts";
import type { Route } from "./http.ts";
import { pollSqs, processScheduledMessage, runDbJobs, runJobs } from "./internal.ts";
import { createCallbackJob } from "./legacy.ts";
import { createLongJob, createQuickJob, getPdfJob } from "./pdf.ts";
import { getStats } from "./stats.ts";
import { cancelTypedJob, createTypedJob, getTypedJob, listTypedEvents, listTypedJobs, retryTypedJob } from "./typed.ts";
import {
  cancelJob,
  createJob,
  createJobs,
  deadletterJob,
  deleteJob,
  getJob,
  listAppJobs,
  retryJob,
} from "./unified.ts";
import { completeUpload, createUpload } from "./uploads.ts";
import { getUsage } from "./usage.ts";

// What the functions serve, each its own list. `site.ts` has the last one, since it shows them all.

export const createJobRoutes: readonly Route[] = [createJob, createJobs, createCallbackJob];

export const adminRoutes: readonly Route[] = [
  listAppJobs,
  getJob,
  retryJob,
  cancelJob,
  deadletterJob,
  deleteJob,
  redriveJobs,
  cancelJobs,
  getBulkAction,
  abortBulkAction,
  getStats,
  listDestinations,
  resumeDestination,
  getApp,
  putApp,
  rotateSecret,
  deleteSecret,
  listAudit,
  getUsage,
];

export const taskRoutes: readonly Route[] = [
  createTypedJob,
  listTypedJobs,
  getTypedJob,
  cancelTypedJob,
  retryTypedJob,
  listTypedEvents,
  listDatasets,
  createFileJob,
  createUpload,
  completeUpload,
  listFileJobs,
  getFileJob,
  listFileJobLogs,
];

export const pdfRoutes: readonly Route[] = [createLongJob, getPdfJob, getWebhook, putWebhook];

/** Of the function that has a browser. */
export const quickRoutes: readonly Route[] = [createQuickJob];

export const internalRoutes: readonly Route[] = [runJobs, runDbJobs, pollSqs, processScheduledMessage];
