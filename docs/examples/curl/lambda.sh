#!/usr/bin/env bash
# A Lambda function grants a user the reward for signing up.
#   bash lambda.sh [USER]
set -euo pipefail
source "$(dirname "$0")/jobs.sh"

user=${1:-user-abc-123}

create_job <<JSON
{
  "message": {
    "lambdaProxyMessage": {
      "path": "/process-reward",
      "httpMethod": "POST",
      "headers": { "Content-Type": "application/json" },
      "body": "{\"userId\":\"$user\",\"rewardType\":\"signup_bonus\",\"points\":1000}"
    },
    "execution": { "type": "lambda-invoke", "functionName": "${FUNCTION_NAME:-echo}" },
    "metadata": { "idempotencyKey": "reward-signup_bonus-$user" }
  }
}
JSON
