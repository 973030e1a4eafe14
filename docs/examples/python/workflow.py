"""After a payment, the warehouse is told now, and the customer gets an e-mail a day later.

If the second call fails, run it again: the idempotency key keeps the first job from being sent twice.

python3 workflow.py [ORDER]
"""

import json
import sys

from jobs import TARGET_URL, create_job, days_ahead, now, print_job


def send_to_fulfillment(order_id: str, user_id: str, amount: int, currency: str) -> dict:
    order = {"orderId": order_id, "userId": user_id, "amount": amount, "currency": currency}
    return create_job(
        {
            "message": {
                "lambdaProxyMessage": {
                    "path": "/api/fulfillment/orders",
                    "httpMethod": "POST",
                    "headers": {"Content-Type": "application/json", "X-Webhook-Event": "order.paid"},
                    "body": json.dumps({**order, "status": "paid", "timestamp": now()}),
                },
                "execution": {"type": "rest-api", "baseUrl": TARGET_URL},
                "metadata": {"idempotencyKey": f"fulfillment-webhook-{order_id}"},
            },
        }
    )


def schedule_follow_up_email(order_id: str, user_id: str, user_email: str) -> dict:
    time = days_ahead(1)
    variables = {"orderId": order_id, "userId": user_id}
    return create_job(
        {
            "message": {
                "execution": {
                    "type": "schedule",
                    "scheduledAt": f"{time}Z",
                    "scheduleExpression": f"at({time})",
                    "targetJob": {
                        "lambdaProxyMessage": {
                            "path": "/api/emails/send",
                            "httpMethod": "POST",
                            "headers": {"Content-Type": "application/json"},
                            "body": json.dumps(
                                {"to": user_email, "templateId": "order-followup", "variables": variables}
                            ),
                        },
                        "execution": {"type": "rest-api", "baseUrl": TARGET_URL},
                        "metadata": {"idempotencyKey": f"followup-email-{order_id}"},
                    },
                },
                "metadata": {"idempotencyKey": f"schedule-email-{order_id}"},
            },
        }
    )


if __name__ == "__main__":
    order_id = sys.argv[1] if len(sys.argv) > 1 else "ORD-99999"
    print_job(send_to_fulfillment(order_id, "user-abc-123", 50000, "KRW"))
    print_job(schedule_follow_up_email(order_id, "user-abc-123", "customer@example.com"))
