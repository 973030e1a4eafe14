import { httpFunction } from "../lib/api/http/http.ts";
import { siteRoutes } from "../lib/api/docs/site.ts";

// Also the default route: a path that no function serves gets its 404 here.
export const handler = httpFunction(siteRoutes);
