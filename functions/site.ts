import { httpFunction } from "../lib/api/http/http.ts";
import { siteRoutes } from "../lib/api/docs/site.ts";

// Also the default route: what no other function serves gets its 404 here.
export const handler = httpFunction(siteRoutes);
