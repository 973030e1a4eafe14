import { httpFunction } from "../lib/api/http/http.ts";
import { createJobRoutes } from "../lib/api/create-job-routes.ts";

export const handler = httpFunction(createJobRoutes);
