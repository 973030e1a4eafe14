"""A Lambda function grants a user the reward for signing up.

python3 lambda.py [USER]
"""

import json
import os
import sys

from jobs import create_job, print_job

FUNCTION_NAME = os.environ.get("FUNCTION_NAME", "echo")


def grant_reward(user_id: str, reward_type: str, points: int) -> dict:
    reward = {"userId": user_id, "rewardType": reward_type, "points": points}
    return create_job(
        {
            "message": {
                "lambdaProxyMessage": {
                    "path": "/process-reward",
                    "httpMethod": "POST",
                    "headers": {"Content-Type": "application/json"},
                    "body": json.dumps(reward),
                },
                "execution": {"type": "lambda-invoke", "functionName": FUNCTION_NAME},
                "metadata": {"idempotencyKey": f"reward-{reward_type}-{user_id}"},
            },
        }
    )


if __name__ == "__main__":
    user_id = sys.argv[1] if len(sys.argv) > 1 else "user-abc-123"
    print_job(grant_reward(user_id, "signup_bonus", 1000))
