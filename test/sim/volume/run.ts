import { MINUTE } from "../../../lib/clock.ts";
import { START } from "../cloud.ts";
import type { Time } from "../time.ts";

/** Runs until it is over, at a look each minute, or until a time from the start. */
export function createRun(time: Time, mistakes: readonly Error[]) {
  return async (untilMs: number, isOver: () => boolean = () => false): Promise<void> => {
    let ends = false;
    const look = () => {
      ends = isOver() || time.now() - START >= untilMs;
      if (!ends) time.after(Math.min(MINUTE, START + untilMs - time.now()), look);
    };
    look();
    await time.run(() => ends || mistakes.length > 0);
    if (mistakes[0]) throw mistakes[0];
  };
}
