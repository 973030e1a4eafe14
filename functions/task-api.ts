import { httpFunction } from "../lib/api/http/http.ts";
import { taskRoutes } from "../lib/api/routes.ts";

export const handler = httpFunction(taskRoutes);
