import { afterAll, beforeAll, beforeEach } from "vitest";
import { startTarget, type Target } from "../support/target.ts";
import { createTaskWorld, type TaskWorld } from "../support/task-world.ts";

/** A source for the tests of a file, and the tasks that sync from it. */
export interface OnSource {
  readonly world: TaskWorld;
  readonly source: Target;
  /** The name of a dataset that no other test uses. */
  fresh(): string;
}

/** `prefix`: of the datasets' names. */
export function onSource(prefix: string): OnSource {
  let there: { readonly world: TaskWorld; readonly source: Target } | undefined;
  const parts = () => {
    if (there) return there;
    throw new Error("The source is there from the first test on");
  };
  beforeAll(async () => {
    there = { world: await createTaskWorld(), source: await startTarget() };
  });
  beforeEach(() => {
    parts().source.received.length = 0;
  });
  afterAll(async () => {
    await there?.source.close();
    await there?.world.end();
  });
  let number = 0;
  return {
    get world() {
      return parts().world;
    },
    get source() {
      return parts().source;
    },
    fresh: () => `${prefix}-${(number += 1)}`,
  };
}
