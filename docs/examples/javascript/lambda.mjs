import { createJob, printJob } from "./jobs.mjs";

// A Lambda function grants a user the reward for signing up.
//   node lambda.mjs [USER]

const { FUNCTION_NAME = "echo" } = process.env;

async function grantReward(reward) {
  return createJob({
    message: {
      lambdaProxyMessage: {
        path: "/process-reward",
        httpMethod: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(reward),
      },
      execution: { type: "lambda-invoke", functionName: FUNCTION_NAME },
      metadata: { idempotencyKey: `reward-${reward.rewardType}-${reward.userId}` },
    },
  });
}

const [userId = "user-abc-123"] = process.argv.slice(2);
printJob(await grantReward({ userId, rewardType: "signup_bonus", points: 1_000 }));
