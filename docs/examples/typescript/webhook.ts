import { TARGET_URL, createJob, printJob, type Job } from "./jobs.ts";

// A partner is told that an order was paid: now, and with retries if the partner does not answer 2xx.
//   node webhook.ts [ORDER]

interface Payment {
  readonly orderId: string;
  readonly amount: number;
  readonly currency: string;
}

async function sendPaymentWebhook(payment: Payment): Promise<Job> {
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
