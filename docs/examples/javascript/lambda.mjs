import { jobs, printJob } from "./jobs.mjs";

// A Lambda function grants a user the reward for signing up.
//   node lambda.mjs [USER]

const { FUNCTION_NAME = "echo" } = process.env;

async function grantReward(reward) {
  return jobs.send({
    function: FUNCTION_NAME,
    body: reward,
    key: `reward-${reward.rewardType}-${reward.userId}`,
  });
}

const [userId = "user-abc-123"] = process.argv.slice(2);
printJob(await grantReward({ userId, rewardType: "signup_bonus", points: 1_000 }));
