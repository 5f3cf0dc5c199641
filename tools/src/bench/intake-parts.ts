import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ListActionsQuery, LogsQuery } from '@bulk/contracts';
import type { ActionDocument, Database } from '@bulk/mongo';
import { z } from 'zod';

/** The parts of intake's classes that the benchmark calls to measure their cost. */
export interface IntakeParts {
  readonly ActionStore: new (database: Database) => {
    list(accountId: string, query: ListActionsQuery): Promise<{ readonly actions: readonly unknown[] }>;
  };
  readonly LogReader: new (
    database: Database,
    partitions: number,
  ) => { page(action: ActionDocument, query: LogsQuery): Promise<{ readonly entries: readonly unknown[] }> };
  readonly DispatchStore: new (
    database: Database,
    leaseMs: number,
    now: () => Date,
  ) => {
    findDue(): Promise<unknown>;
    claim(owner: string): Promise<ActionDocument | undefined>;
    release(actionId: string, owner: string): Promise<void>;
  };
  readonly Janitor: new (
    database: Database,
    options: Readonly<Record<string, unknown>>,
    log: unknown,
  ) => { sweep(): Promise<{ readonly ended: number }> };
  readonly StagingArea: new (
    database: Database,
    options: Readonly<Record<string, unknown>>,
    log: unknown,
  ) => {
    stage(
      draft: Readonly<Record<string, unknown>>,
      entities: readonly { id: string }[],
    ): Promise<ActionDocument>;
  };
  readonly ActionControl: new (options: Readonly<Record<string, unknown>>) => {
    pause(accountId: string, actionId: string): Promise<unknown>;
  };
}

const MODULES: Readonly<Record<keyof IntakeParts, string>> = {
  ActionStore: 'actions/action-store.ts',
  LogReader: 'logs/log-reader.ts',
  DispatchStore: 'dispatch/dispatch-store.ts',
  Janitor: 'staging/janitor.ts',
  StagingArea: 'staging/staging-area.ts',
  ActionControl: 'actions/action-control.ts',
};

const isClass = (value: unknown): boolean => typeof value === 'function';
const partsSchema = z.object({
  ActionStore: z.custom<IntakeParts['ActionStore']>(isClass),
  LogReader: z.custom<IntakeParts['LogReader']>(isClass),
  DispatchStore: z.custom<IntakeParts['DispatchStore']>(isClass),
  Janitor: z.custom<IntakeParts['Janitor']>(isClass),
  StagingArea: z.custom<IntakeParts['StagingArea']>(isClass),
  ActionControl: z.custom<IntakeParts['ActionControl']>(isClass),
}) satisfies z.ZodType<IntakeParts>;

/**
 * Loads the classes from intake's sources: a service exports nothing, and this tool measures its
 * code.
 */
export async function loadIntakeParts(workspaceRoot: string): Promise<IntakeParts> {
  const loaded = await Promise.all(
    Object.entries(MODULES).map(async ([name, path]) => {
      const file = join(workspaceRoot, 'services', 'intake', 'src', path);
      const module = (await import(pathToFileURL(file).href)) as Readonly<Record<string, unknown>>;
      return [name, module[name]] as const;
    }),
  );
  return partsSchema.parse(Object.fromEntries(loaded));
}
