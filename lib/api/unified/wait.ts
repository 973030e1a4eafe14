import * as z from "../../zod.ts";
import { SECOND } from "../../clock.ts";
import { isFinished, type Job } from "../../job/job.ts";
import { entityOf } from "../../job/view.ts";
import { enveloped, jobEntity } from "../http/answers.ts";
import { requireRole } from "../http/auth.ts";
import { envelope, route, type Answer } from "../http/http.ts";
import { ownJob } from "./own-job.ts";

const WAIT_AT_MOST_SECONDS = 20;
/** A webhook has often ended by then. */
const FIRST_LOOK_MS = SECOND / 8;
const LOOK_EVERY_MS = SECOND;
/** As often as a client looks that may not wait. */
const ASK_AGAIN_SECONDS = 5;

const waitQuery = z.strictObject({
  seconds: z
    ._default(z.coerce.number().check(z.int(), z.minimum(0), z.maximum(WAIT_AT_MOST_SECONDS)), WAIT_AT_MOST_SECONDS)
    .check(z.describe("How long at most; 0 looks once.")),
});

export const waitForJob = route({
  key: "GET /v1/admin/jobs/{id}/wait",
  id: "waitForJob",
  summary: "Waits up to 20 s for the end of a job, and shows it",
  answers: {
    200: enveloped(jobEntity).check(
      z.describe(
        "The job, ended or not, without its message. With `Retry-After`, it did not wait: the app's `waitersPerApp` is reached.",
      ),
    ),
  },
  access: (caller) => requireRole(caller, "APP_ADMIN"),
  query: waitQuery,

  async handle({ path, caller, query }, service): Promise<Answer> {
    const { clock, requestSlots } = service;
    const until = clock.realNow() + query.seconds * SECOND;
    const look = async () => ownJob(path["id"], caller, service);
    let job = await look();
    if (isFinished(job) || query.seconds === 0) return shown(job);
    const slot = await requestSlots.take(job.appId, "news");
    if (typeof slot === "string") return shown(job, { "retry-after": String(ASK_AGAIN_SECONDS) });
    try {
      for (let pause = FIRST_LOOK_MS; !isFinished(job); pause *= 2) {
        const left = until - clock.realNow();
        if (left <= 0) break;
        await clock.sleep(Math.min(pause, LOOK_EVERY_MS, left));
        job = await look();
      }
      return shown(job);
    } finally {
      await slot.end();
    }
  },
});

function shown(job: Job, headers: Record<string, string> = {}): Answer {
  return { status: 200, body: envelope(entityOf(job)), headers };
}
