import { createHash } from "node:crypto";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { Message } from "./message.ts";

/**
 * Text that messages have in common, as a dictionary of deflate: the specification's example takes 0.3 KB instead of
 * 1.7 KB. Stored bytes depend on it: never edit it, add a new codec. The most frequent text stands last, where
 * references are shortest.
 */
const DICTIONARY = Buffer.from(
  [
    '"retry":{"baseDelaySeconds":60,"maxDelaySeconds":86400,"jitter":0},"maxRetries":10,"timeoutSeconds":30',
    '"application/x-www-form-urlencoded","text/plain; charset=utf-8","multipart/form-data"',
    '"X-Webhook-Source":"X-Api-Key":"Idempotency-Key":"Accept":"application/json; charset=utf-8"',
    '"Authorization":"Bearer ey"Basic "user-agent":"x-request-id":"',
    '"PUT""PATCH""DELETE""GET""HEAD"null,true,false,"isBase64Encoded":true',
    '{\\"id\\":\\"","\\"type\\":\\"","\\"status\\":\\"completed\\",\\"paid\\",\\"pending\\",\\"created\\",\\"failed\\"',
    '\\"createdAt\\":\\"2026-01-01T12:00:00.000Z\\",\\"updatedAt\\":\\"2026-\\"timestamp\\":\\"2025-\\"email\\":\\"@example.com\\"',
    '\\"currency\\":\\"USD\\",\\"EUR\\",\\"KRW\\",\\"amount\\":\\"total\\":\\"price\\":\\"quantity\\":1,\\"items\\":[{\\"sku\\":\\"',
    '\\"name\\":\\"\\"customer\\":{\\"address\\":{\\"line1\\":\\"\\"city\\":\\"\\"country\\":\\"\\"postalCode\\":\\"\\"phone\\":\\"+',
    '\\"event\\":\\"order.\\"data\\":{\\"orderId\\":\\"ORD-\\"userId\\":\\"user-\\"customerId\\":\\"},{\\"\\"},\\"\\"}]}\\"}"',
    '"functionName":"","invocationType":"Event","functionUrl":"https://.lambda-url.us-east-1.on.aws/"',
    '"scheduledAt":"2026-01-01T10:00:00.000Z","scheduleExpression":"at(2026-","targetJob":{',
    '{"lambdaProxyMessage":{"body":"{\\"","resource":"/{proxy+}","path":"/api/v1/webhooks/","httpMethod":"POST"',
    ',"isBase64Encoded":false,"pathParameters":{"proxy":"api/webhooks/"},"queryStringParameters":{},"headers":{"Content-Type":"application/json"}',
    ',"requestContext":{"path":"/webhooks/","resourcePath":"/{proxy+}","httpMethod":"POST"}}',
    ',"execution":{"type":"rest-api","baseUrl":"https://api."}',
    ',"metadata":{"messageGroupId":"rest-api","createdAt":"2026-01-01T00:00:00.000Z","idempotencyKey":"-webhook-"}}',
  ].join(""),
);

/** The first byte of stored bytes: the codec, and with it the dictionary. */
const CODEC = 1;

export function encodeMessage(message: Message): Uint8Array {
  return encode(JSON.stringify(message));
}

/** `text`: the message as JSON. */
export function encode(text: string): Uint8Array {
  const deflated = deflateRawSync(text, { dictionary: DICTIONARY, level: 9 });
  return Buffer.concat([Buffer.of(CODEC), deflated]);
}

export function decodeMessage(bytes: Uint8Array): Message {
  if (bytes[0] !== CODEC) throw new Error(`Stored payload has codec ${bytes[0]}, expected ${CODEC}`);
  return JSON.parse(inflateRawSync(bytes.subarray(1), { dictionary: DICTIONARY }).toString()) as Message;
}

export function contentHash(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("base64url").slice(0, 22);
}
