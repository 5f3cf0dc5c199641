import { accountIdSchema } from '@bulk/domain';
import { Command } from 'commander';
import { argument, wholeNumber } from '../../console/arguments.ts';
import { runCommand } from '../../console/command.ts';
import { openDatabase } from '../../installation/database.ts';
import { environmentHere } from '../../installation/running.ts';
import { DEFAULT_ACCOUNT, DEFAULT_COUNTS, seedSampleData } from './sample-data.ts';

const MAX = 10_000_000;

interface SeedOptions {
  readonly contacts: number;
  readonly companies: number;
  readonly leads: number;
  readonly account: string;
  readonly reset: boolean;
}

/** Creates the command that writes sample records. */
export function seedCommand(): Command {
  return new Command('seed')
    .description('sample contacts, companies and leads, always the same ones; adds what is missing')
    .option('--contacts <n>', 'contacts', wholeNumber(0, MAX), DEFAULT_COUNTS.contacts)
    .option('--companies <n>', 'companies', wholeNumber(0, MAX), DEFAULT_COUNTS.companies)
    .option('--leads <n>', 'leads', wholeNumber(0, MAX), DEFAULT_COUNTS.leads)
    .option('--account <id>', 'account', argument(accountIdSchema), DEFAULT_ACCOUNT)
    .option('--reset', "delete the account's contacts, companies and leads first", false)
    .showHelpAfterError()
    .action((options: SeedOptions) => runCommand(({ signal }) => seed(options, signal)));
}

async function seed(
  { contacts, companies, leads, account, reset }: SeedOptions,
  signal: AbortSignal,
): Promise<void> {
  const database = await openDatabase('seed', await environmentHere());
  try {
    const startedAt = performance.now();
    const options = { accountId: account, counts: { contacts, companies, leads }, reset };
    const result = await seedSampleData(database, options, signal);
    const parts = Object.entries(result).map(
      ([name, { inserted, kept }]) => `${name} ${inserted} added, ${kept} there already`,
    );
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    console.log(`account ${account}: ${parts.join('; ')} (${seconds} s)`);
  } finally {
    await database.close();
  }
}
