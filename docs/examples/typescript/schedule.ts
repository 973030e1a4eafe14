import type { Job } from "unified-jobs";
import { TARGET_URL, jobs, printJob } from "./jobs.ts";

// A user is notified in seven days that a trial is over.
//   node schedule.ts [SUBSCRIPTION]

interface Trial {
  readonly userId: string;
  readonly subscriptionId: string;
}

async function notifyOfTrialExpiry(trial: Trial): Promise<Job> {
  return jobs.send({
    url: `${TARGET_URL}/api/notifications/send`,
    body: { ...trial, notificationType: "trial_expiry" },
    key: `trial-expiry-${trial.subscriptionId}`,
    delay: "7d",
  });
}

const [subscriptionId = "sub-789"] = process.argv.slice(2);
printJob(await notifyOfTrialExpiry({ userId: "user-456", subscriptionId }));
