/** The limits of a job: those of the deployment and those of its app. */
export type Rules = DeploymentRules & AppRules;

/** The limits set by the administrators of an app. An empty list adds no limit. */
export interface AppRules {
  /** Origins with an optional path prefix; see `matchesUrl`. */
  readonly allowedCallbackUrls: readonly string[];
  /** Names or origins of functions; `*` matches any characters. */
  readonly allowedFunctions: readonly string[];
  /** Redirects that keep method and body, to the same host by https. */
  readonly followRedirects: boolean;
}

export interface Home {
  readonly region: string;
  readonly account: string;
}

export interface DeploymentRules {
  /** True allows loopback and private addresses. */
  readonly allowPrivateTargets: boolean;
  /** Names of functions that jobs may invoke; `*` matches any characters. */
  readonly invokableFunctions: readonly string[];
  /** Where the service runs; undefined in the local stack, which takes the functions of any account for its own. */
  readonly home: Home | undefined;
  /** The prefix of the service's own functions, which jobs never invoke. */
  readonly ownFunctions: string;
  /** The prefix of function URLs in the local stack; empty when deployed. */
  readonly localFunctionUrls: string;
}
