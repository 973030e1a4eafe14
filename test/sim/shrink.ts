import type { Plan } from "./plan.ts";

/** The smallest plan found that still fails, without all actions and faults that it does not need. */
export async function shrink(plan: Plan, fails: (plan: Plan) => Promise<boolean>): Promise<Plan> {
  let smallest = plan;
  for (let isSmaller = true; isSmaller;) {
    isSmaller = false;
    for (const candidate of smaller(smallest)) {
      if (!(await fails(candidate))) continue;
      smallest = candidate;
      isSmaller = true;
      break;
    }
  }
  return smallest;
}

function* smaller(plan: Plan): Generator<Plan> {
  if (plan.faultRate > 0) yield { ...plan, faultRate: 0 };
  if (plan.retentionMs > 0) yield { ...plan, retentionMs: 0 };
  for (const at of plan.actions.keys()) yield { ...plan, actions: plan.actions.toSpliced(at, 1) };
  for (const [at, action] of plan.actions.entries()) {
    if (action.kind !== "post" || action.times === 1) continue;
    yield { ...plan, actions: plan.actions.with(at, { ...action, times: 1 }) };
  }
}
