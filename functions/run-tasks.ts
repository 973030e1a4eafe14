// The same with more time and memory.
export { handler } from "./process-jobs.ts";
