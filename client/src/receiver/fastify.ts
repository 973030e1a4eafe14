import { answer, optionsOf, type Handler, type Secret } from "./receiver.ts";

export { Final, SignatureError, type Handler, type ReceivedJob, type Secret } from "./receiver.ts";

export interface FastifyReceiverOptions {
  readonly path: string;
  readonly secret: Secret;
  readonly handle: Handler;
  /** Default: POST. */
  readonly method?: string | undefined;
}

interface FastifyRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: unknown;
}

interface FastifyReply {
  code(status: number): { headers(headers: Record<string, string>): { send(body: string): unknown } };
}

/** What is used of Fastify. */
export interface FastifyLike {
  removeAllContentTypeParsers(): unknown;
  addContentTypeParser(
    type: string,
    options: { parseAs: "buffer"; bodyLimit: number },
    // A `Parser`, one of several forms.
    parser: never,
  ): unknown;
  route(route: {
    method: never;
    url: string;
    handler: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;
  }): unknown;
}

type Parser = (request: unknown, body: Uint8Array, done: (error: null, body: Uint8Array) => void) => void;

const asItCame: Parser = (_, body, done) => done(null, body);

/** More than the service sends. */
const bodyLimit = 8_388_608;

/** A plugin for Fastify 4 and 5. Its parser, which keeps bodies as they came, is this route's alone. */
export async function fastifyReceiver(fastify: FastifyLike, options: FastifyReceiverOptions): Promise<void> {
  const { path, secret, handle, method = "POST" } = options;
  const verifying = optionsOf(secret);
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser("*", { parseAs: "buffer", bodyLimit }, asItCame as never);
  fastify.route({
    method: method as never,
    url: path,
    handler: async (request, reply) => {
      const header = (name: string) => request.headers[name]?.toString();
      const bytes = new Uint8Array((request.body ?? []) as Uint8Array);
      const { status, headers, body } = await answer({ header, bytes }, verifying, handle);
      return reply.code(status).headers(headers).send(body);
    },
  });
}
