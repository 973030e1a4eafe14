import * as z from "../../zod.ts";
import { iso } from "../../clock.ts";
import { time } from "../http/answers.ts";
import { dashboard, dashboardFile, root, signInOptions } from "./dashboard.ts";
import { docsAsset, docsPage } from "./docs-page.ts";
import { route, type Route } from "../http/http.ts";
import { openApi } from "./openapi.ts";
import { createJobRoutes } from "../create-job-routes.ts";
import { adminRoutes, internalRoutes, pdfRoutes, taskRoutes } from "../routes.ts";

// The endpoints that are open to everyone: the health of the service, and its documentation.

const health = route({
  key: "GET /health",
  id: "getHealth",
  summary: "Tells that the service runs, and its time",
  answers: { 200: z.strictObject({ status: z.literal("ok"), now: time }).check(z.describe("It runs.")) },
  handle: async (_request, { clock }) => ({ status: 200, body: { status: "ok", now: iso(clock.now()) } }),
});

/** Built once per container, since it takes 30 ms. */
let made: Promise<object> | undefined;

const document = route({
  key: "GET /openapi.json",
  id: "getDocument",
  summary: "This document",
  answers: { 200: z.looseObject({ openapi: z.literal("3.1.1") }).check(z.describe("OpenAPI 3.1.")) },
  handle: async (_request, { rules }) => ({ status: 200, body: await (made ??= apiDocument(rules.localFunctionUrls)) }),
});

export const siteRoutes: readonly Route[] = [
  health,
  document,
  docsPage,
  docsAsset,
  root,
  dashboard,
  signInOptions,
  dashboardFile,
];

/** The document of the whole API. In the local stack its examples call the echo target. */
export async function apiDocument(localUrls = ""): Promise<object> {
  const target = localUrls === "" ? "https://example.com" : new URL("/echo", localUrls).href;
  return openApi(
    [...createJobRoutes, ...taskRoutes, ...pdfRoutes, ...adminRoutes, ...internalRoutes, ...siteRoutes],
    target,
  );
}
