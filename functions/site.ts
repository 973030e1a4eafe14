import { httpFunction } from "../lib/api/http.ts";
import { siteRoutes } from "../lib/api/site.ts";

// Also the default route: what no other function serves gets its 404 here.
export const handler = httpFunction(siteRoutes);
