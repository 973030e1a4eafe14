/** What a job may do: what the deployment allows, and its app within that. */
export type Rules = DeploymentRules & AppRules;

/** What the administrators of an app allow. Empty lists allow whatever the deployment does. */
export interface AppRules {
  /** Origins with an optional path prefix; see `matchesUrl`. */
  readonly allowedCallbackUrls: readonly string[];
  /** Functions' names or origins; `*` stands for any characters. */
  readonly allowedFunctions: readonly string[];
}

export interface DeploymentRules {
  /** Whether loopback and private addresses may be called. */
  readonly allowPrivateTargets: boolean;
  /** Names of functions that jobs may invoke; `*` stands for any characters. */
  readonly invokableFunctions: readonly string[];
  /** What the names of the service's own functions begin with: jobs never invoke those. */
  readonly ownFunctions: string;
  /** What the function URLs of the local stack begin with; empty when deployed. */
  readonly localFunctionUrls: string;
}
