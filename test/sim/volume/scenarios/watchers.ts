import { MINUTE, SECOND } from "../../../../lib/clock.ts";
import type { Caller } from "../../../../lib/api/http/auth.ts";
import { listTypedEvents } from "../../../../lib/api/tasks/typed-events.ts";
import { DEFAULT_LIMITS } from "../../../../lib/store/app-settings.ts";
import { serviceOf } from "../people.ts";
import { atMost, highest, mostAtOnce, none, type Scenario, type Span } from "../scenario.ts";
import { appId, createVolumeWorld, taskJob } from "../world.ts";

const [CROWD, FEW] = [appId(1), appId(2)];
const OF_FEW = 5;
const TASK_MS = 12 * MINUTE;
/** The watchers come one after another. */
const COME = { fromMs: 2 * MINUTE, withinMs: 20 * SECOND };
const LASTS = 4 * MINUTE;
/** What the endpoint waits for news. */
const WAIT_MS = 20 * SECOND;
/** A request that is answered sooner has not waited. */
const AT_ONCE_MS = SECOND;

/** A request after the first: it asks for news, of which there are none. */
interface Asked extends Span {
  readonly app: string;
  readonly isRefused: boolean;
}

/** Many who watch the tasks of one app, by the endpoint and as its answers say, and a few who watch another's. */
export const watchers: Scenario = {
  name: "watchers of jobs",
  jobs: { gate: 100, usual: 600, long: 3_000 },
  run: async (given) => {
    const world = createVolumeWorld({ ...given, seed: "watchers", runs: () => ({ ms: TASK_MS }) });
    const { counts, time, invoke } = world;
    const asked: Asked[] = [];

    /** Asks for news again and again. */
    async function watch(app: string): Promise<void> {
      const caller: Caller = { sub: "person", appId: app, roles: ["APP_ADMIN"], permissions: [] };
      const path = { id: counts.of(app)[0]?.id };
      for (let after: string | undefined; world.elapsed() < LASTS;) {
        const from = time.now();
        const request = { caller, path, query: { after }, headers: {}, body: undefined };
        const answer = await invoke("api", async (container) => listTypedEvents.handle(request, serviceOf(container)));
        if (!answer) throw new Error("A watcher had no answer");
        const pause = Number(answer.headers?.["retry-after"] ?? 0) * SECOND;
        if (after !== undefined) asked.push({ app, from, to: time.now(), isRefused: pause > 0 });
        ({ after } = answer.body as { after: string });
        await time.pass(pause);
      }
    }

    const mistakes: unknown[] = [];
    const come = (app: string, count: number) => {
      for (let n = 0; n < count; n += 1) {
        world.at(
          COME.fromMs + (n * COME.withinMs) / count,
          () => void watch(app).catch((error) => mistakes.push(error)),
        );
      }
    };
    world.post([taskJob(CROWD), taskJob(FEW)]);
    come(CROWD, given.jobs);
    come(FEW, OF_FEW);
    await world.run(LASTS + 2 * WAIT_MS, () => mistakes.length > 0);
    if (mistakes.length > 0) throw mistakes[0];

    const most = DEFAULT_LIMITS.waitersPerApp ?? 0;
    const ofCrowd = asked.filter(({ app }) => app === CROWD);
    const [refused, waited] = [
      ofCrowd.filter(({ isRefused }) => isRefused),
      ofCrowd.filter(({ isRefused }) => !isRefused),
    ];
    // One that has its slot from one that is being answered is counted when that has its answer.
    const waiting = waited.map(({ from, to }) => ({ from: from + AT_ONCE_MS, to })).filter(({ from, to }) => from < to);
    const isShort = ({ from, to }: Span) => to - from < WAIT_MS;
    const isWrong = (one: Span) => waited.filter(({ from, to }) => from < one.to && to > one.from).length < most;
    const ofFew = asked.filter(({ app }) => app === FEW);
    return [
      atMost("11: watchers of an app that wait at a time", most, mostAtOnce(waiting)),
      atMost(
        "11: watchers that may not wait, answered within",
        AT_ONCE_MS,
        highest(refused, ({ from, to }) => to - from),
        " ms",
      ),
      none("11: watchers that may not wait, though fewer do", refused.filter(isWrong).length),
      none("11: watchers without news, answered early and without Retry-After", waited.filter(isShort).length),
      none(
        "11: watchers of another app that may not wait",
        ofFew.filter((one) => one.isRefused || isShort(one)).length,
      ),
    ];
  },
};
