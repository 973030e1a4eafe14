import { httpFunction } from "../lib/api/http.ts";
import { createJob } from "../lib/api/unified.ts";

export const handler = httpFunction([createJob]);
