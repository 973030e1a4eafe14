"""A user is notified in seven days that a trial is over.

python3 schedule.py [SUBSCRIPTION]
"""

import json
import sys

from jobs import TARGET_URL, create_job, days_ahead, print_job


def schedule_trial_expiry(user_id: str, subscription_id: str) -> dict:
    time = days_ahead(7)
    notification = {"userId": user_id, "subscriptionId": subscription_id, "notificationType": "trial_expiry"}
    return create_job(
        {
            "message": {
                "execution": {
                    "type": "schedule",
                    "scheduledAt": f"{time}Z",
                    "scheduleExpression": f"at({time})",
                    "targetJob": {
                        "lambdaProxyMessage": {
                            "path": "/api/notifications/send",
                            "httpMethod": "POST",
                            "headers": {"Content-Type": "application/json"},
                            "body": json.dumps(notification),
                        },
                        "execution": {"type": "rest-api", "baseUrl": TARGET_URL},
                        "metadata": {"idempotencyKey": f"trial-expiry-notification-{subscription_id}"},
                    },
                },
                "metadata": {"idempotencyKey": f"schedule-trial-expiry-{subscription_id}"},
            },
        }
    )


if __name__ == "__main__":
    subscription_id = sys.argv[1] if len(sys.argv) > 1 else "sub-789"
    print_job(schedule_trial_expiry("user-456", subscription_id))
