import { example } from "./example.ts";
import type { Task } from "./task.ts";

/** Every task there is: validation, the API document and dispatch follow from this list. */
export const tasks: readonly Task[] = [example];

export function taskOf(jobType: string): Task | undefined {
  return tasks.find((task) => task.jobType === jobType);
}
