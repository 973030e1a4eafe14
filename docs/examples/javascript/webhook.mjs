import { TARGET_URL, jobs, printJob } from "./jobs.mjs";

// A partner is told that an order was paid: now, and with retries if the partner does not answer 2xx.
//   node webhook.mjs [ORDER]

async function sendPaymentWebhook(payment) {
  return jobs.send({
    url: `${TARGET_URL}/api/v1/webhooks/payment-completed`,
    headers: { "X-Webhook-Source": "job-api" },
    body: { ...payment, status: "paid", paidAt: new Date() },
    // All jobs of one key are one job.
    key: `payment-webhook-${payment.orderId}`,
  });
}

const [orderId = "ORD-12345"] = process.argv.slice(2);
printJob(await sendPaymentWebhook({ orderId, amount: 15_000, currency: "KRW" }));
