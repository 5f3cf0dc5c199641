import { loadEnv, startStack } from '@bulk/local-stack';
import { runCommand } from '../../console/command.ts';
import { deathOf, whileAllLive } from '../../installation/deaths.ts';
import { serviceEnvironment } from '../../installation/environment.ts';
import { runUntilEnded } from '../../installation/run-until-ended.ts';
import { ServiceGroup } from '../../processes/service-group.ts';
import { prettyLine } from './log-line.ts';

// Runs the stack and the four services from their sources. Each service is restarted when its code
// changes.
await runCommand(async ({ signal, releasers }) => {
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  const stack = await startStack({ log: (line) => print(`stack: ${line}`), signal });
  if (!stack.attached) releasers.push('stack', () => stack.stop());
  const colours = process.stdout.isTTY;
  const services = await ServiceGroup.start({
    env: { ...serviceEnvironment(loadEnv(), stack.urls), LOG_FORMAT: 'json' },
    mode: 'watch',
    output: (instance) => ({ kind: 'lines', onLine: (line) => print(prettyLine(instance, line, colours)) }),
    // A developer fixes a mistake in the code while everything stays up.
    readyTimeoutMs: Number.POSITIVE_INFINITY,
    signal: AbortSignal.any([signal, deathOf(stack)]),
  });
  releasers.push('services', () => services.stop());
  print(
    `ready: REST ${services.intakeUrl}, WebSocket ${services.notifierUrl}; sample data: npm run seed; Ctrl-C ends all of it`,
  );
  await runUntilEnded(signal, (never) => whileAllLive({ services, stack, signal }, never));
});
