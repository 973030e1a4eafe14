import { TARGET_URL, createJob, daysAhead, printJob, type Job } from "./jobs.ts";

// A user is notified in seven days that a trial is over.
//   node schedule.ts [SUBSCRIPTION]

interface Trial {
  readonly userId: string;
  readonly subscriptionId: string;
}

async function scheduleTrialExpiry(trial: Trial): Promise<Job> {
  const time = daysAhead(7);
  return createJob({
    message: {
      execution: {
        type: "schedule",
        scheduledAt: `${time}Z`,
        scheduleExpression: `at(${time})`,
        targetJob: {
          lambdaProxyMessage: {
            path: "/api/notifications/send",
            httpMethod: "POST",
            headers: { "Content-Type": "application/json" },
            body: JSON.stringify({ ...trial, notificationType: "trial_expiry" }),
          },
          execution: { type: "rest-api", baseUrl: TARGET_URL },
          metadata: { idempotencyKey: `trial-expiry-notification-${trial.subscriptionId}` },
        },
      },
      metadata: { idempotencyKey: `schedule-trial-expiry-${trial.subscriptionId}` },
    },
  });
}

const [subscriptionId = "sub-789"] = process.argv.slice(2);
printJob(await scheduleTrialExpiry({ userId: "user-456", subscriptionId }));
