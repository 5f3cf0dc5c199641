import { isFinal, type PositionRange } from '@bulk/domain';
import type { Reconciliation } from '@bulk/mongo';

/** Returns everything that is wrong with an action's accounts, in words; empty if all is well. */
export function faultsOf({ drift, missing, surplus, status }: Reconciliation): string[] {
  const gaps = isFinal(status) ? missing : [];
  return [
    ...drift.map(({ what, counted, logged }) => `${what}: counted ${counted}, logged ${logged}`),
    ...(gaps.length === 0 ? [] : [`no outcome: ${gaps.map(rangeOf).join(', ')}`]),
    ...(surplus === 0 ? [] : [`surplus outcomes: ${surplus}`]),
  ];
}

function rangeOf({ first, last }: PositionRange): string {
  return first === last ? String(first) : `${first}-${last}`;
}
