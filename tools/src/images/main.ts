import { CodedError } from '@bulk/domain';
import { loadEnv } from '@bulk/local-stack';
import { Command } from 'commander';
import { runCommand } from '../console/command.ts';
import { runningEnvironment } from '../installation/running.ts';
import { Docker } from './docker.ts';
import { buildImages, imageReference } from './images.ts';
import { verifyImages } from './verify.ts';

interface Options {
  readonly base?: string;
  readonly tag: string;
  readonly network?: string;
  readonly npmRegistry?: string;
  readonly verify: boolean;
}

const program = new Command('images')
  .description('builds the image of each service and of the installer, and prints their sizes')
  .option('--base <image>', "in place of the Dockerfile's BASE_IMAGE")
  .option('--tag <tag>', 'of every image', 'dev')
  .option('--network <name>', 'of the build, e.g. host')
  .option('--npm-registry <url>', "where packages come from, if not from npm's own registry")
  .option(
    '--verify',
    'also run them on the running stack: an action through all of them, then SIGTERM',
    false,
  )
  .showHelpAfterError();

await runCommand(async ({ signal }) => {
  const options = program.parse().opts<Options>();
  const env = loadEnv();
  const docker = new Docker(env, signal);
  const reason = await docker.whyNot();
  if (reason !== undefined) {
    // To build where that is not possible is a wish; to verify without having run anything would be a lie.
    if (options.verify) throw new CodedError('NOT_VERIFIED', `nothing is built or run: ${reason}`);
    console.log(`nothing is built: ${reason}`);
    return;
  }
  const sizes = await buildImages(docker, {
    ...options,
    onOutput: (text) => process.stderr.write(text),
  });
  for (const [name, bytes] of sizes) {
    console.log(`${imageReference(name, options.tag).padEnd(48)} ${(bytes / 1e6).toFixed(1)} MB`);
  }
  if (!options.verify) return;
  // The harness of the tests, which reads where the real parts are from the process' own environment.
  Object.assign(process.env, await runningEnvironment(env));
  for (const [name, { exitCode, ms }] of await verifyImages(docker, options.tag)) {
    console.log(`${name}: ran an action, ended with exit code ${exitCode} ${ms} ms after SIGTERM`);
  }
});
