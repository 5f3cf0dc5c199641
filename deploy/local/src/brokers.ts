import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { StackError } from './errors.ts';
import { readJson, writeAtomically } from './files.ts';
import type { StackPaths } from './paths.ts';

const claimSchema = z.object({ brokers: z.number().int().min(1) });

/**
 * Determines the number of brokers of a stack: the number that it has data of, else the requested number, else one.
 *
 * @throws StackError `BROKERS_MISMATCH` if the stack has data of another number.
 */
export function claimBrokers(paths: StackPaths, asked: number | undefined): number {
  const file = paths.data('brokers.json');
  const known = readJson(file, claimSchema)?.brokers ?? brokersBeforeClaims(paths);
  if (known !== undefined) checkBrokers(paths.name, known, asked);
  const brokers = known ?? asked ?? 1;
  writeAtomically(file, JSON.stringify({ brokers }));
  return brokers;
}

/** Checks the requested number of brokers. @throws StackError `BROKERS_MISMATCH` if the stack has another number. */
export function checkBrokers(name: string, actual: number, asked: number | undefined): void {
  if (asked === undefined || asked === actual) return;
  throw new StackError(
    'BROKERS_MISMATCH',
    `stack ${name} has data of ${brokersOf(actual)}, not of ${asked}; the number is fixed at its first start`,
    `npm run stack -- reset --name ${name}   # deletes its data; or another name`,
  );
}

/** Returns the number of brokers of a stack from before several were possible: one, if it has data. */
function brokersBeforeClaims(paths: StackPaths): number | undefined {
  return existsSync(join(paths.data('kafka'), 'meta.properties')) ? 1 : undefined;
}

function brokersOf(count: number): string {
  return count === 1 ? '1 broker' : `${count} brokers`;
}
