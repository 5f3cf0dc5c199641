import { Argument, Command, InvalidArgumentError } from 'commander';
import { follow, showLogs } from './commands/logs.ts';
import { showStatus } from './commands/status.ts';
import { superviseHere, up } from './commands/up.ts';
import { loadEnv, readStackEnvironment } from './env.ts';
import { reasonOf, StackError } from './errors.ts';
import { cacheFolder } from './paths.ts';
import { buildSecantusRust } from './provision/secantus.ts';
import { inspectStack, resetStack, startStack, stopStack } from './stack.ts';
import { MAX_BROKERS, type ProcessName, processNames } from './state.ts';

const print = (line: string): void => void process.stdout.write(`${line}\n`);

interface NameOption {
  readonly name?: string;
}

const nameOf = ({ name }: NameOption): string => readStackEnvironment(loadEnv(), name).name;

function numberOfBrokers(text: string): number {
  const brokers = Number(text);
  if (Number.isInteger(brokers) && brokers >= 1 && brokers <= MAX_BROKERS) return brokers;
  throw new InvalidArgumentError(`expected a whole number from 1 to ${MAX_BROKERS}`);
}

const program = new Command('stack')
  .description('Kafka, Schema Registry, MongoDB and Redis for development, without containers')
  .showHelpAfterError();

const command = (name: string, description: string): Command =>
  program
    .command(name)
    .description(description)
    .option('-n, --name <name>', 'which stack (default: STACK_NAME, else "default")');

command('up', 'start all parts and return when they are ready')
  .option('--foreground', 'supervise in this terminal; Ctrl-C stops all')
  .option(
    '-b, --brokers <number>',
    'number of Kafka brokers (default: as many as the stack has data of, else 1)',
    numberOfBrokers,
  )
  .action((options: NameOption & { foreground?: boolean; brokers?: number }) =>
    (options.foreground === true ? superviseHere : up)(nameOf(options), print, options.brokers),
  );

command('down', 'stop all parts; their data stays').action(async (options: NameOption) => {
  const name = nameOf(options);
  print(`stack ${name}: ${(await stopStack(name, print)) ? 'down' : 'was not up'}`);
});

command('status', 'check each part by its protocol; exit code 0 if all serve').action(
  async (options: NameOption) => {
    if (!(await showStatus(nameOf(options), print))) process.exitCode = 1;
  },
);

command('logs', 'show the last lines of the logs')
  .addArgument(new Argument('[part]').choices([...processNames, 'supervisor']))
  .option('-f, --follow', 'continue as they grow')
  .action(async (part: string | undefined, options: NameOption & { follow?: boolean }) => {
    const show = options.follow === true ? follow : showLogs;
    await show(nameOf(options), part);
  });

command('reset', 'stop all parts and delete their data').action(async (options: NameOption) => {
  const name = nameOf(options);
  await resetStack(name, print);
  print(`stack ${name}: down, its data deleted`);
});

command('restart', 'stop one part and start it again, on its port and with its data')
  .addArgument(new Argument('<part>').choices(processNames))
  .option('--kill', 'by SIGKILL, as a crash')
  .action(async (part: ProcessName, options: NameOption & { kill?: boolean }) => {
    const stack = await attachOnly(nameOf(options));
    await stack.restart(part, options.kill === true ? 'SIGKILL' : 'SIGTERM');
    print(`${part}: restarted`);
  });

program
  .command('build-mongo')
  .description('compile the fast MongoDB-compatible server (SecantusDB in Rust) into the cache, once')
  .action(async () => {
    const env = loadEnv();
    print(`mongo: built: ${await buildSecantusRust({ cache: cacheFolder(env), env, log: print })}`);
  });

async function attachOnly(name: string): ReturnType<typeof startStack> {
  if ((await inspectStack(name)) === undefined) {
    throw new StackError('NOT_UP', `stack ${name} is not up`, `npm run stack -- up --name ${name}`);
  }
  return startStack({ name });
}

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`${error instanceof StackError ? error.toString() : reasonOf(error)}\n`);
  process.exitCode = 1;
}
