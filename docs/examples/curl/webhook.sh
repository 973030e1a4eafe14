#!/usr/bin/env bash
# A partner is told that an order was paid: now, and with retries if the partner does not answer 2xx.
#   bash webhook.sh [ORDER]
set -euo pipefail
source "$(dirname "$0")/jobs.sh"

order=${1:-ORD-12345}

create_job <<JSON
{
  "mode": "both",
  "message": {
    "lambdaProxyMessage": {
      "path": "/api/v1/webhooks/payment-completed",
      "httpMethod": "POST",
      "headers": { "Content-Type": "application/json", "X-Webhook-Source": "job-api" },
      "body": "{\"orderId\":\"$order\",\"amount\":15000,\"currency\":\"KRW\",\"status\":\"paid\",\"paidAt\":\"$(days_ahead 0)Z\"}"
    },
    "execution": { "type": "rest-api", "baseUrl": "$TARGET_URL" },
    "metadata": { "idempotencyKey": "payment-webhook-$order" }
  }
}
JSON
