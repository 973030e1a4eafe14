import { TARGET_URL, jobs, printJob } from "./jobs.mjs";

// After a payment, the warehouse is told now, and the customer gets an e-mail a day later.
// If the second call fails, run it again: the key keeps the first job from being sent twice.
//   node workflow.mjs [ORDER]

async function sendToFulfillment({ orderId, userId, amount, currency }) {
  return jobs.send({
    url: `${TARGET_URL}/api/fulfillment/orders`,
    headers: { "X-Webhook-Event": "order.paid" },
    body: { orderId, userId, amount, currency, status: "paid", timestamp: new Date() },
    key: `fulfillment-webhook-${orderId}`,
  });
}

async function sendFollowUpEmail({ orderId, userId, userEmail }) {
  return jobs.send({
    url: `${TARGET_URL}/api/emails/send`,
    body: { to: userEmail, templateId: "order-followup", variables: { orderId, userId } },
    key: `email-${orderId}`,
    delay: "1d",
  });
}

const [orderId = "ORD-99999"] = process.argv.slice(2);
const order = { orderId, userId: "user-abc-123", amount: 50_000, currency: "KRW", userEmail: "customer@example.com" };
printJob(await sendToFulfillment(order));
printJob(await sendFollowUpEmail(order));
