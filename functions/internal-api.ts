import { httpFunction } from "../lib/api/http/http.ts";
import { internalRoutes } from "../lib/api/routes.ts";

export const handler = httpFunction(internalRoutes);
