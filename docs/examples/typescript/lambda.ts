import type { Job } from "unified-jobs";
import { jobs, printJob } from "./jobs.ts";

// A Lambda function grants a user the reward for signing up.
//   node lambda.ts [USER]

const { FUNCTION_NAME = "echo" } = process.env;

interface Reward {
  readonly userId: string;
  readonly rewardType: string;
  readonly points: number;
}

async function grantReward(reward: Reward): Promise<Job> {
  return jobs.send({
    function: FUNCTION_NAME,
    body: reward,
    key: `reward-${reward.rewardType}-${reward.userId}`,
  });
}

const [userId = "user-abc-123"] = process.argv.slice(2);
printJob(await grantReward({ userId, rewardType: "signup_bonus", points: 1_000 }));
