export interface Resource {
  readonly Type: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- CloudFormation's JSON is asserted on, not trusted
  readonly Properties: Record<string, any>;
  readonly DeletionPolicy?: string;
  readonly UpdateReplacePolicy?: string;
}

// oxlint-disable-next-line typescript/no-explicit-any -- CloudFormation's JSON is asserted on, not trusted
export type Resources = Record<string, any>;

export function ofType(resources: Resources, type: string): [string, Resource][] {
  return Object.entries<Resource>(resources).filter(([, { Type }]) => Type === type);
}
