import type { Catalog } from './catalog.ts';
import { CONTROLS } from './control-operations.ts';
import { createOperation } from './create-operation.ts';
import { LISTS } from './list-operations.ts';
import type { Operation } from './operation.ts';
import { READS } from './read-operations.ts';
import { RESULTS, WEBHOOKS } from './result-operations.ts';

/** Every operation of the REST API that is there, in the order in which the documentation shows them. */
export function operationsOf(catalog: Catalog): Operation[] {
  return [createOperation(catalog), ...LISTS, ...READS, ...RESULTS, ...CONTROLS, ...WEBHOOKS];
}
