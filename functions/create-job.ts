import { httpFunction } from "../lib/api/http/http.ts";
import { createJobRoutes } from "../lib/api/routes.ts";

export const handler = httpFunction(createJobRoutes);
