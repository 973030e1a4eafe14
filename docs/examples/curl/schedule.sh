#!/usr/bin/env bash
# A user is notified in seven days that a trial is over.
#   bash schedule.sh [SUBSCRIPTION]
set -euo pipefail
source "$(dirname "$0")/jobs.sh"

subscription=${1:-sub-789}
time=$(days_ahead 7)

create_job <<JSON
{
  "message": {
    "execution": {
      "type": "schedule",
      "scheduledAt": "${time}Z",
      "scheduleExpression": "at($time)",
      "targetJob": {
        "lambdaProxyMessage": {
          "path": "/api/notifications/send",
          "httpMethod": "POST",
          "headers": { "Content-Type": "application/json" },
          "body": "{\"userId\":\"user-456\",\"subscriptionId\":\"$subscription\",\"notificationType\":\"trial_expiry\"}"
        },
        "execution": { "type": "rest-api", "baseUrl": "$TARGET_URL" },
        "metadata": { "idempotencyKey": "trial-expiry-notification-$subscription" }
      }
    },
    "metadata": { "idempotencyKey": "schedule-trial-expiry-$subscription" }
  }
}
JSON
