import { once } from 'node:events';
import { actionIdSchema, CodedError } from '@bulk/domain';
import { Command } from 'commander';
import { argument } from '../../console/arguments.ts';
import { runOnInstallation } from '../run-on-installation.ts';
import type { Done, ListedLetter } from './desk.ts';
import { letterIdSchema, type LetterFilter } from './letter.ts';
import { openDesk, type OpenDesk } from './open.ts';
import { contentOf, summaryOf, tableWriter } from './view.ts';

interface Options extends LetterFilter {
  readonly all?: boolean;
  readonly again?: boolean;
  readonly json?: boolean;
}

const letterId = argument(letterIdSchema);
const letterIds = (text: string, before: string[] = []): string[] => [...before, letterId(text)];
const print = (value: unknown): void => console.log(JSON.stringify(value, null, 2));
const filterOf = ({ service, code, action }: Options): LetterFilter => ({ service, code, action });

/**
 * Writes the items of a JSON list that arrives some at a time. The caller must write the end of the
 * list.
 */
function jsonWriter(): (listed: readonly ListedLetter[]) => string[] {
  let open = '[';
  return (listed) =>
    listed.map((one) => {
      const line = `${open}\n${JSON.stringify(summaryOf(one), null, 2).replaceAll(/^/gm, '  ')}`;
      open = ',';
      return line;
    });
}

/** Resolves once the lines have been written, so that lines for a slow reader do not pile up. */
async function write(lines: readonly string[]): Promise<void> {
  const text = lines.map((line) => `${line}\n`).join('');
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}

/** @throws CodedError `LETTERS_REFUSED` if one was refused, so that the exit code shows it. */
function report<T>({ done, refused }: Done<T>, { json }: Options, line: (one: T) => string): void {
  if (json === true) print({ done, refused });
  else if (done.length + refused.length === 0) console.log('no dead letters match');
  else {
    for (const one of done) console.log(line(one));
    for (const { code, message } of refused) console.error(`${code}: ${message}`);
  }
  if (refused.length === 0) return;
  throw new CodedError(
    'LETTERS_REFUSED',
    `${refused.length} of ${done.length + refused.length} were not changed`,
  );
}

/** Runs work on the dead letters of the running installation. */
function withDesk(work: (open: OpenDesk) => Promise<void>): Promise<void> {
  return runOnInstallation('dlq', async ({ env, database }) => work(await openDesk(env, database)));
}

/** Creates the command for dead letters. */
export function dlqCommand(): Command {
  const program = new Command('dlq').description(
    'the dead letters of the running installation: messages that could not be processed',
  );

  const command = (name: string, description: string): Command =>
    program.command(name).description(description).option('--json', 'as JSON', false);

  const filtered = (one: Command): Command =>
    one
      .option('--service <name>', 'given up by this service')
      .option('--code <code>', 'for this cause')
      .option('--action <id>', 'of this action', argument(actionIdSchema));

  filtered(command('list', 'lists the dead letters that are not replayed or dropped yet'))
    .option('--all', 'includes replayed and dropped ones', false)
    .action((options: Options) => {
      return withDesk(async ({ desk }) => {
        let count = 0;
        const linesOf = options.json === true ? jsonWriter() : tableWriter();
        await desk.list(filterOf(options), options.all === true, (listed) => {
          count += listed.length;
          return write(linesOf(listed));
        });
        if (options.json === true) console.log(count === 0 ? '[]' : '\n]');
        else if (count === 0) console.log('no dead letters');
      });
    });

  command('show', 'shows the cause and the message of one dead letter')
    .argument('<partition:offset>', 'the dead letter', letterId)
    .action((id: string) => {
      // Always JSON, which shows a message best.
      return withDesk(async ({ desk, topics, codec }) => {
        const listed = await desk.show(id);
        print({ ...summaryOf(listed), original: await contentOf(listed, topics, codec) });
      });
    });

  filtered(
    command(
      'replay',
      'sends dead letters to their original topic again, as the next generation of their batch',
    ),
  )
    .argument('[partition:offset...]', 'the dead letters', letterIds)
    .option(
      '--again',
      'includes replayed and dropped dead letters, which changes their entities again',
      false,
    )
    .action((ids: string[] | undefined, options: Options) => {
      return withDesk(async ({ desk }) => {
        const selection = { ids: ids ?? [], filter: filterOf(options) };
        const outcome = await desk.replay(selection, options.again === true);
        report(
          outcome,
          options,
          ({ id, generation, topic }) => `${id} replayed to ${topic}, generation ${generation}`,
        );
      });
    });

  filtered(command('drop', 'marks dead letters as dropped; their outcomes stay'))
    .argument('[partition:offset...]', 'the dead letters', letterIds)
    .action((ids: string[] | undefined, options: Options) => {
      return withDesk(async ({ desk }) => {
        const outcome = await desk.drop({ ids: ids ?? [], filter: filterOf(options) });
        report(outcome, options, ({ id }) => `${id} dropped`);
      });
    });
  return program;
}
