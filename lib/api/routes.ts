import { getWebhook, putWebhook } from "./pdf/accounts.ts";
import { listDatasets } from "./tasks/datasets.ts";
import { deleteDestination, putDestination } from "./admin/app-destinations.ts";
import { getApp, patchApp, putApp } from "./admin/apps.ts";
import { listAudit } from "./admin/audit.ts";
import { listApps } from "./admin/apps-list.ts";
import { abortBulkAction, cancelJobs, getBulkAction, listBulkActions, redriveJobs } from "./admin/bulk.ts";
import { getLimits, patchLimits, putLimits } from "./admin/limits.ts";
import { getMe } from "./admin/me.ts";
import { getMetrics } from "./admin/metrics.ts";
import { holdDestination, listDestinations, resumeDestination } from "./admin/destinations.ts";
import { createFileJob, getFileJob, listFileJobLogs, listFileJobs } from "./tasks/files.ts";
import type { Route } from "./http/http.ts";
import { pollSqs, processScheduledMessage, runDbJobs, runJobs } from "./admin/internal.ts";
import { cancelGroup, createGroup, getGroup, listMembers, redriveGroup, sealGroup } from "./unified/groups.ts";
import { listJobLogs } from "./unified/job-logs.ts";
import { createLongJob, createQuickJob, getPdfJob } from "./pdf/pdf.ts";
import { getCounts } from "./admin/counts.ts";
import { getSeries } from "./admin/series.ts";
import { deleteSecret, rotateSecret } from "./admin/secrets.ts";
import { getJobResponse } from "./unified/response.ts";
import { resendJob } from "./unified/resend.ts";
import { getStats } from "./admin/stats.ts";
import { cancelTypedJob, createTypedJob, getTypedJob, listTypedJobs, retryTypedJob } from "./tasks/typed.ts";
import { listTypedEvents } from "./tasks/typed-events.ts";
import { listRuns, listSchedules, previewSchedule, runSchedule } from "./unified/schedule-runs.ts";
import {
  deleteSchedule,
  getSchedule,
  patchSchedule,
  pauseSchedule,
  putSchedule,
  resumeSchedule,
} from "./unified/schedules.ts";
import { cancelJob, deadletterJob, deleteJob, getJob, listAppJobs, retryJob } from "./unified/jobs.ts";
import { countAppJobs } from "./unified/job-query.ts";
import { completeUpload, createUpload, signUploadParts } from "./tasks/uploads.ts";
import { waitForJob } from "./unified/wait.ts";
import { getUsage } from "./admin/usage.ts";

// The routes of each function. Those of `createJob` are in create-job-routes.ts, since its start is waited for; those of
// `site` are in site.ts, since its document shows all others.

export const adminRoutes: readonly Route[] = [
  getMe,
  listApps,
  listAppJobs,
  countAppJobs,
  getJob,
  getJobResponse,
  waitForJob,
  listJobLogs,
  retryJob,
  cancelJob,
  deadletterJob,
  deleteJob,
  resendJob,
  redriveJobs,
  cancelJobs,
  listBulkActions,
  getBulkAction,
  abortBulkAction,
  createGroup,
  sealGroup,
  getGroup,
  listMembers,
  cancelGroup,
  redriveGroup,
  getStats,
  getCounts,
  getSeries,
  listDestinations,
  holdDestination,
  resumeDestination,
  getApp,
  putApp,
  patchApp,
  putDestination,
  deleteDestination,
  getLimits,
  putLimits,
  patchLimits,
  rotateSecret,
  deleteSecret,
  listAudit,
  getUsage,
  getMetrics,
  listSchedules,
  previewSchedule,
  putSchedule,
  getSchedule,
  patchSchedule,
  deleteSchedule,
  listRuns,
  pauseSchedule,
  resumeSchedule,
  runSchedule,
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
  signUploadParts,
  completeUpload,
  listFileJobs,
  getFileJob,
  listFileJobLogs,
];

export const pdfRoutes: readonly Route[] = [createQuickJob, createLongJob, getPdfJob, getWebhook, putWebhook];

export const internalRoutes: readonly Route[] = [runJobs, runDbJobs, pollSqs, processScheduledMessage];
