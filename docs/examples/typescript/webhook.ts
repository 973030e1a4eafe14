import type { Job } from "unified-jobs";
import { TARGET_URL, jobs, printJob } from "./jobs.ts";

// A partner is told that an order was paid: now, and with retries if the partner does not answer 2xx.
//   node webhook.ts [ORDER]

interface Payment {
  readonly orderId: string;
  readonly amount: number;
  readonly currency: string;
}

async function sendPaymentWebhook(payment: Payment): Promise<Job> {
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
