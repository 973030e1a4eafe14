// The same handler as process-jobs, deployed with more time and memory.
export { handler } from "./process-jobs.ts";
