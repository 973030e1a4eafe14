import { httpFunction } from "../lib/api/http/http.ts";
import { adminRoutes } from "../lib/api/routes.ts";

export const handler = httpFunction(adminRoutes);
