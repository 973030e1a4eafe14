// Hands the tasks that need a browser to the function that has one.
export { handler } from "./process-jobs.ts";
