import { DAY, HOUR, MINUTE, SECOND, iso } from "../../../../lib/clock.ts";
import { GROUP } from "../../../../lib/job/group.ts";
import type { Job } from "../../../../lib/job/job.ts";
import type { NewJob } from "../../../../lib/job/accept.ts";
import { START } from "../../cloud.ts";
import { atMost, highest, none, within, type Scenario } from "../scenario.ts";
import { appId, createVolumeWorld, webhook } from "../world.ts";

const APP = appId(1);
const MILLION = 1_000_000;
const LEAST_FOR_A_MILLION = 10_000;
/** So that a task walks over the members, as over those of large groups. */
const MOST_INLINE = 100;
/** Of a member, in seconds; where there are many, in tenths of one. */
const LONGEST_RUN = 25;
/** So many members that take seconds would wait for each other: an app has a share of the slow attempts. */
const MANY = 1_000;
/** Changes that the function which counts is given at most at once. */
const LARGEST_BATCH = 1_000;
/** Of an attempt of the task, in minutes. */
const LONGEST_WALK = 14;

/** One group with many members, as many as it says. */
export const members: Scenario = {
  name: "the members of one group",
  jobs: { gate: 300, usual: 10_000, long: 100_000 },
  run: async (given) => {
    const walks: number[] = [];
    const onWalk = (ms: number) => void walks.push(ms);
    let started = 0;
    const world = createVolumeWorld({
      ...given,
      seed: "members",
      isCounting: true,
      mostInline: MOST_INLINE,
      onWalk,
      // Some are still running when the group has sealed itself, and end one after another.
      runs: () => ({ ms: ((started += 1) % LONGEST_RUN) * (given.jobs > MANY ? SECOND / 10 : SECOND) }),
    });
    const { counts, invoke } = world;
    let group: Job | undefined;
    world.at(0, () => {
      void invoke("api", async ({ engine }) => (group = (await engine.submit(groupOf(given.jobs))).job));
    });
    await world.run(2 * MINUTE, () => group !== undefined);
    if (!group) throw new Error("The group was not made");
    const { id, createdAt } = group;
    const memberOf = { id, createdAt };
    world.post(
      Array.from({ length: given.jobs }, () => ({ ...webhook(APP), memberOf })),
      3 * MINUTE,
      given.jobs / 40,
    );
    await world.run(2 * DAY, world.isDone);
    world.at(world.elapsed(), () => void invoke("api", async ({ parts }) => (group = await parts.store.get(id))));
    await world.run(world.elapsed() + MINUTE);
    const own = counts.of(APP).filter((job) => job.isMember);
    const lastEnd = highest(own, ({ endedAt = Infinity }) => endedAt);
    const endedAt = counts.jobs.get(id)?.endedAt ?? Infinity;
    // Full batches come one after another: a member changes thrice, as it comes, starts and ends.
    const full = Math.floor((3 * given.jobs) / LARGEST_BATCH);
    const counted = Math.max(0, (counts.others.get("G") ?? 0) - full) / ((endedAt - createdAt) / (10 * SECOND));
    const walk = highest(walks, (ms) => ms);
    return [
      none("11: jobs that have not ended", counts.open()),
      atMost(
        "11: members of the group, and those that it has not counted",
        0,
        given.jobs - (group?.fanIn?.members?.total ?? 0),
      ),
      none("11: groups that ended before their last member", endedAt < lastEnd ? 1 : 0),
      within("11: from the end of the last member to that of the group", MINUTE, endedAt - lastEnd),
      atMost(
        "11: writes of a member",
        3,
        highest(own, ({ writes }) => writes),
      ),
      atMost(
        "11: reads of a member",
        1,
        highest(own, ({ reads }) => reads),
      ),
      atMost("11: writes of the group's counters in ten seconds", 1, Math.round(counted * 10) / 10),
      // A walk over few members is mostly one over the partitions of the index.
      ...(given.jobs < LEAST_FOR_A_MILLION
        ? []
        : [
            within("11: a walk over a million members, computed", LONGEST_WALK * MINUTE, (walk * MILLION) / given.jobs),
          ]),
    ];
  },
};

function groupOf(expected: number): NewJob {
  const sealBy = iso(START + 6 * HOUR);
  const onComplete = { url: "https://done.example/done", headers: {}, on: ["SUCCEEDED", "FAILED"] as const };
  const execution = { type: GROUP, expected, sealBy, cancelOnFailure: false };
  return { appId: APP, mode: "both", message: { execution, metadata: {}, onComplete } };
}
