import * as z from "../zod.ts";
import { defineTask, done, failed } from "./task.ts";

const payload = z.strictObject({
  words: z
    .array(z.string().check(z.maxLength(200)))
    .check(z.minLength(1), z.maxLength(1_000), z.describe("What to count the letters of.")),
});

/** Counts letters: the task that docs/tasks.md explains. */
export const example = defineTask({
  jobType: "example",
  summary: "Counts the letters of words",
  payload,

  async run({ words }, context) {
    const { log, signal } = context;
    let letters = 0;
    for (const [index, word] of words.entries()) {
      signal.throwIfAborted();
      if (word.trim() === "") return failed(`Word ${index + 1} is empty: expected at least one letter`);
      letters += Array.from(word).length;
      await log.info(`Counted ${word}`, { rowNumber: index + 1 });
      await context.progress(index + 1, words.length);
    }
    return done({ letters });
  },
});
