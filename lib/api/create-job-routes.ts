import type { Route } from "./http/http.ts";
import { createJob, createJobs } from "./unified/create.ts";
import { createCallbackJob } from "./unified/legacy.ts";
import { sendJobs } from "./unified/send.ts";

/** In a file of its own: what the other routes import would be loaded before the first request too. */
export const createJobRoutes: readonly Route[] = [sendJobs, createJob, createJobs, createCallbackJob];
