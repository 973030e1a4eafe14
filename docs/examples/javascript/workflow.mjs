import { TARGET_URL, createJob, daysAhead, printJob } from "./jobs.mjs";

// After a payment, the warehouse is told now, and the customer gets an e-mail a day later.
// If the second call fails, run it again: the idempotency key keeps the first job from being sent twice.
//   node workflow.mjs [ORDER]

async function sendToFulfillment({ orderId, userId, amount, currency }) {
  return createJob({
    message: {
      lambdaProxyMessage: {
        path: "/api/fulfillment/orders",
        httpMethod: "POST",
        headers: { "Content-Type": "application/json", "X-Webhook-Event": "order.paid" },
        body: JSON.stringify({
          orderId,
          userId,
          amount,
          currency,
          status: "paid",
          timestamp: new Date().toISOString(),
        }),
      },
      execution: { type: "rest-api", baseUrl: TARGET_URL },
      metadata: { idempotencyKey: `fulfillment-webhook-${orderId}` },
    },
  });
}

async function scheduleFollowUpEmail({ orderId, userId, userEmail }) {
  const time = daysAhead(1);
  return createJob({
    message: {
      execution: {
        type: "schedule",
        scheduledAt: `${time}Z`,
        scheduleExpression: `at(${time})`,
        targetJob: {
          lambdaProxyMessage: {
            path: "/api/emails/send",
            httpMethod: "POST",
            headers: { "Content-Type": "application/json" },
            body: JSON.stringify({ to: userEmail, templateId: "order-followup", variables: { orderId, userId } }),
          },
          execution: { type: "rest-api", baseUrl: TARGET_URL },
          metadata: { idempotencyKey: `followup-email-${orderId}` },
        },
      },
      metadata: { idempotencyKey: `schedule-email-${orderId}` },
    },
  });
}

const [orderId = "ORD-99999"] = process.argv.slice(2);
const order = { orderId, userId: "user-abc-123", amount: 50_000, currency: "KRW", userEmail: "customer@example.com" };
printJob(await sendToFulfillment(order));
printJob(await scheduleFollowUpEmail(order));
