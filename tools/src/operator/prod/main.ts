import { loadEnv } from '@bulk/local-stack';
import { runCommand } from '../../console/command.ts';
import { whileAllLive } from '../../installation/deaths.ts';
import { runUntilEnded } from '../../installation/run-until-ended.ts';
import { ServiceGroup } from '../../processes/service-group.ts';

// Runs the four production builds on this machine, against the URLs of the environment. Their logs
// are this command's output.
await runCommand(async ({ signal, releasers }) => {
  const services = await ServiceGroup.start({
    env: loadEnv(),
    mode: 'built',
    output: () => ({ kind: 'inherit' }),
    // The services wait for what is absent, as anywhere in production.
    readyTimeoutMs: Number.POSITIVE_INFINITY,
    signal,
  });
  releasers.push('services', () => services.stop());
  await runUntilEnded(signal, (never) => whileAllLive({ services, signal }, never));
});
