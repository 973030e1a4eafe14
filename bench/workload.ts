import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

/** An order as a shop would send it, 1 KB of JSON. */
export const ORDER = JSON.stringify({
  event: "order.completed",
  id: "evt_01JFQ8ZK3T5W9Y7M2X4R6B8N0C",
  createdAt: "2026-11-22T14:03:27.481Z",
  data: {
    orderId: "ORD-2026-118734",
    status: "completed",
    currency: "EUR",
    total: 18745,
    tax: 2992,
    customer: {
      customerId: "cus_9f2c7e51",
      name: "Marta Lindqvist",
      email: "marta.lindqvist@example.com",
      phone: "+46701234567",
      address: { line1: "Storgatan 14", city: "Uppsala", postalCode: "753 31", country: "SE" },
    },
    items: [
      { sku: "LAMP-OAK-02", name: "Desk lamp, oak", quantity: 1, price: 8900 },
      { sku: "BULB-E27-4W", name: "LED bulb E27 4 W", quantity: 3, price: 795 },
      { sku: "CABLE-USBC-2M", name: "USB-C cable 2 m", quantity: 2, price: 1490 },
      { sku: "NOTE-A5-GRID", name: "Notebook A5, grid", quantity: 4, price: 1120 },
    ],
    shipping: { carrier: "PostNord", service: "MyPack Home", trackingNumber: "00373500489530470918", price: 590 },
    payment: {
      method: "card",
      brand: "visa",
      last4: "4242",
      authorisation: "A7F39C",
      capturedAt: "2026-11-22T14:03:25.102Z",
    },
    notes: "Leave at the door if nobody answers.",
  },
});

/** The same size, in bytes that do not compress. */
export const INCOMPRESSIBLE = randomBytes(Math.floor((ORDER.length * 3) / 4)).toString("base64");

export function jobFor(target: string, body: string, headers: Record<string, string> = {}) {
  return {
    message: {
      lambdaProxyMessage: {
        body,
        resource: "/{proxy+}",
        path: "/api/webhooks/payment-completed",
        httpMethod: "POST",
        isBase64Encoded: false,
        pathParameters: { proxy: "api/webhooks/payment-completed" },
        headers: { "Content-Type": "application/json", "X-Custom-Header": "my-value", ...headers },
        requestContext: { path: "/api/webhooks/payment-completed", resourcePath: "/{proxy+}", httpMethod: "POST" },
      },
      execution: { type: "rest-api", baseUrl: target, timeoutSeconds: 30 },
      metadata: { messageGroupId: "rest-api", createdAt: "2026-11-22T14:03:27.500Z" },
    },
  };
}

/** `count` jobs, `inFlight` at a time or `perSecond`. */
export type Load = { readonly count: number } & ({ readonly inFlight: number } | { readonly perSecond: number });

export async function load(of: Load, accept: () => Promise<void>): Promise<void> {
  let left = of.count;
  if ("inFlight" in of) {
    const lane = async () => {
      while (left-- > 0) await accept();
    };
    await Promise.all(Array.from({ length: of.inFlight }, lane));
    return;
  }
  const began = performance.now();
  const sent: Promise<void>[] = [];
  for (let n = 0; n < of.count; n += 1) {
    await sleep(Math.max(0, began + (n * 1_000) / of.perSecond - performance.now()));
    sent.push(accept());
  }
  await Promise.all(sent);
}
