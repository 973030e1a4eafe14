import { TARGET_URL, createJob, printJob } from "./jobs.mjs";

// A partner is told that an order was paid: now, and with retries if the partner does not answer 2xx.
//   node webhook.mjs [ORDER]

async function sendPaymentWebhook(payment) {
  return createJob({
    mode: "both",
    message: {
      lambdaProxyMessage: {
        path: "/api/v1/webhooks/payment-completed",
        httpMethod: "POST",
        headers: { "Content-Type": "application/json", "X-Webhook-Source": "job-api" },
        body: JSON.stringify({ ...payment, status: "paid", paidAt: new Date().toISOString() }),
      },
      execution: { type: "rest-api", baseUrl: TARGET_URL },
      metadata: { idempotencyKey: `payment-webhook-${payment.orderId}` },
    },
  });
}

const [orderId = "ORD-12345"] = process.argv.slice(2);
printJob(await sendPaymentWebhook({ orderId, amount: 15_000, currency: "KRW" }));
