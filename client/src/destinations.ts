import type { Destination } from "./api-types.ts";
import { Pages } from "./pages.ts";
import type { CallOptions, Send } from "./transport.ts";
import type { DestinationFilter, LimitedDestination, Limits } from "./types.ts";

/** Where jobs go: an origin, such as `https://hooks.example.com`, or a function's name. */
export class Destinations {
  readonly #send: Send;

  constructor(send: Send) {
    this.#send = send;
  }

  /** Those that have failed lately or are held, by name; what is not listed works. */
  list(filter: DestinationFilter = {}, options?: CallOptions): Pages<Destination> {
    return new Pages(async (cursor = filter.cursor) => {
      return (await this.#send("GET", "/v1/admin/destinations", { ...options, query: { ...filter, cursor } })).data;
    });
  }

  /** Lets jobs to it wait until it is resumed; what runs goes on. */
  async hold(destination: string, options?: CallOptions): Promise<Destination> {
    return this.#act("hold", destination, options);
  }

  /** Ends a hold or an outage at once: what waits for it goes out within a minute or two. */
  async resume(destination: string, options?: CallOptions): Promise<Destination> {
    return this.#act("resume", destination, options);
  }

  /** Those that have limits. */
  async limits(options?: CallOptions): Promise<readonly LimitedDestination[]> {
    return (await this.#send("GET", await this.#app(options), options)).data.destinations;
  }

  /** Sets both limits of a destination; a host alone stands for its https origin. Returns those that have limits. */
  async limit(destination: string, limits: Limits, options?: CallOptions): Promise<readonly LimitedDestination[]> {
    return this.#change("PUT", destination, { ...options, body: limits });
  }

  /** Takes the limits of a destination away. Returns those that still have limits. */
  async unlimit(destination: string, options?: CallOptions): Promise<readonly LimitedDestination[]> {
    return this.#change("DELETE", destination, options);
  }

  async #act(action: string, destination: string, options?: CallOptions): Promise<Destination> {
    return (await this.#send("POST", `/v1/admin/destinations/${action}`, { ...options, body: { destination } })).data;
  }

  async #change(method: string, destination: string, request: Parameters<Send>[2] = {}) {
    const path = `${await this.#app(request)}/destinations/${encodeURIComponent(destination)}`;
    return (await this.#send(method, path, request)).data.destinations as readonly LimitedDestination[];
  }

  /** Limits are settings of the app, which the token names. */
  async #app({ signal }: CallOptions = {}): Promise<string> {
    const { appId } = (await this.#send("GET", "/v1/me", { signal })).data as { readonly appId: string };
    return `/v1/admin/apps/${appId}`;
  }
}
