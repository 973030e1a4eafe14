#!/usr/bin/env bash
# After a payment, the warehouse is told now, and the customer gets an e-mail a day later.
# If the second call fails, run it again: the idempotency key keeps the first job from being sent twice.
#   bash workflow.sh [ORDER]
set -euo pipefail
source "$(dirname "$0")/jobs.sh"

order=${1:-ORD-99999}
user=user-abc-123
tomorrow=$(days_ahead 1)

create_job <<JSON
{
  "message": {
    "lambdaProxyMessage": {
      "path": "/api/fulfillment/orders",
      "httpMethod": "POST",
      "headers": { "Content-Type": "application/json", "X-Webhook-Event": "order.paid" },
      "body": "{\"orderId\":\"$order\",\"userId\":\"$user\",\"amount\":50000,\"currency\":\"KRW\",\"status\":\"paid\",\"timestamp\":\"$(days_ahead 0)Z\"}"
    },
    "execution": { "type": "rest-api", "baseUrl": "$TARGET_URL" },
    "metadata": { "idempotencyKey": "fulfillment-webhook-$order" }
  }
}
JSON

create_job <<JSON
{
  "message": {
    "execution": {
      "type": "schedule",
      "scheduledAt": "${tomorrow}Z",
      "scheduleExpression": "at($tomorrow)",
      "targetJob": {
        "lambdaProxyMessage": {
          "path": "/api/emails/send",
          "httpMethod": "POST",
          "headers": { "Content-Type": "application/json" },
          "body": "{\"to\":\"customer@example.com\",\"templateId\":\"order-followup\",\"variables\":{\"orderId\":\"$order\",\"userId\":\"$user\"}}"
        },
        "execution": { "type": "rest-api", "baseUrl": "$TARGET_URL" },
        "metadata": { "idempotencyKey": "followup-email-$order" }
      }
    },
    "metadata": { "idempotencyKey": "schedule-email-$order" }
  }
}
JSON
