"""A partner is told that an order was paid: now, and with retries if the partner does not answer 2xx.

python3 webhook.py [ORDER]
"""

import json
import sys

from jobs import TARGET_URL, create_job, now, print_job


def send_payment_webhook(order_id: str, amount: int, currency: str) -> dict:
    payment = {"orderId": order_id, "amount": amount, "currency": currency, "status": "paid", "paidAt": now()}
    return create_job(
        {
            "mode": "both",
            "message": {
                "lambdaProxyMessage": {
                    "path": "/api/v1/webhooks/payment-completed",
                    "httpMethod": "POST",
                    "headers": {"Content-Type": "application/json", "X-Webhook-Source": "job-api"},
                    "body": json.dumps(payment),
                },
                "execution": {"type": "rest-api", "baseUrl": TARGET_URL},
                "metadata": {"idempotencyKey": f"payment-webhook-{order_id}"},
            },
        }
    )


if __name__ == "__main__":
    order_id = sys.argv[1] if len(sys.argv) > 1 else "ORD-12345"
    print_job(send_payment_webhook(order_id, 15000, "KRW"))
