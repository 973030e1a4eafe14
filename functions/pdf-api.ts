import { httpFunction } from "../lib/api/http/http.ts";
import { pdfRoutes } from "../lib/api/routes.ts";

export const handler = httpFunction(pdfRoutes);
