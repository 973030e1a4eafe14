import { MINUTE, SECOND } from "../../../../lib/clock.ts";
import type { Watch } from "../cloud.ts";
import { noise } from "../../requests.ts";
import type { JobCount } from "../counts.ts";
import { atMost, highest, none, type Scenario } from "../scenario.ts";
import { appId, createVolumeWorld, webhook } from "../world.ts";

const APPS = [1, 2, 3].map(appId);
const APART_MS = 50;
/** It does not compress: with the rest, the message takes about as much as an order of 1 KB of JSON. */
const BODY = 500;
/** A process keeps an app's settings and its circuits for so long. */
const KEPT_FOR = 10 * SECOND;

/** Webhooks of 1 KB that nothing delays. */
export const plain: Scenario = {
  name: "webhooks that nothing delays",
  jobs: { gate: 600, usual: 10_000, long: 100_000 },
  run: async (given) => {
    let reads = 0;
    const processes = new Set<string>();
    const onCall: Watch["onCall"] = ({ name }, { constructor: { name: call } }, stage) => {
      if (stage === "ends" || !name.startsWith("process-jobs")) return;
      processes.add(name);
      if (/^(Get|BatchGet|Query)/.test(call)) reads += 1;
    };
    const world = createVolumeWorld({ ...given, seed: "plain", watch: { onCall } });
    const { counts, random } = world;
    const body = noise(random, BODY);
    const all = Array.from({ length: given.jobs }, (_, n) => webhook(APPS[n % APPS.length] ?? "", { body }));
    const overMs = given.jobs * APART_MS;
    world.post(all, MINUTE, overMs);
    await world.run(2 * overMs + 10 * MINUTE, world.isDone);
    const jobs = counts.of(...APPS);
    const most = (of: (job: JobCount) => number) => highest(jobs, of);
    return [
      none("20: jobs that have not ended", counts.open()),
      atMost(
        "20: writes of a job",
        3,
        most(({ writes }) => writes),
      ),
      atMost(
        "20: reads of a job",
        0,
        most(({ reads }) => reads),
      ),
      atMost(
        "20: messages of a job",
        1,
        most(({ messages }) => messages),
      ),
      atMost(
        "20: reads of settings by a process, for an app and ten seconds",
        2,
        reads / (processes.size * APPS.length * (overMs / KEPT_FOR + 1)),
      ),
    ];
  },
};
