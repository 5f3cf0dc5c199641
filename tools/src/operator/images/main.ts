import { CodedError } from '@bulk/domain';
import { cacheFolder, loadEnv } from '@bulk/local-stack';
import { Command } from 'commander';
import { runCommand } from '../../console/command.ts';
import { ALL_PARTS, runningEnvironment } from '../../installation/running.ts';
import { openBuilder } from './builder.ts';
import { buildImages, buildOfWorkspace, imageReference } from './images.ts';
import { verifyImages } from './verify.ts';

interface Options {
  readonly base?: string;
  readonly tag: string;
  readonly network?: string;
  readonly npmRegistry?: string;
  readonly verify: boolean;
}

const program = new Command('images')
  .description("builds the image of each service and of the operator's commands, and prints their sizes")
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

await runCommand(async ({ signal, releasers }) => {
  const options = program.parse().opts<Options>();
  const env = loadEnv();
  // Checked first, so that a missing installation is reported before the images are built.
  const running = options.verify ? await runningEnvironment(env, ALL_PARTS) : {};
  const log = (line: string): void => void process.stderr.write(`${line}\n`);
  const builder = await openBuilder({ cache: cacheFolder(env), env, log, signal }, options);
  if (typeof builder === 'string') {
    // A build may be skipped where it is not possible. A verification that ran nothing must fail.
    if (options.verify) throw new CodedError('NOT_VERIFIED', `nothing is built or run: ${builder}`);
    console.log(`nothing is built: ${builder}`);
    return;
  }
  releasers.push('engine', () => builder.close());
  const { docker, base, network } = builder;
  const build = await buildOfWorkspace(env);
  const sizes = await buildImages(docker, {
    ...options,
    build,
    base,
    network,
    onOutput: (text) => process.stderr.write(text),
  });
  for (const [name, bytes] of sizes) {
    console.log(`${imageReference(name, options.tag).padEnd(48)} ${(bytes / 1e6).toFixed(1)} MB`);
  }
  if (!options.verify) return;
  // The harness of the tests reads the places of the real parts from the process' own environment.
  Object.assign(process.env, running);
  const { node, ends } = await verifyImages(docker, options.tag, { node: builder.node, build });
  console.log(`all images: Node ${node}`);
  for (const [name, { exitCode, ms }] of ends) {
    console.log(`${name}: ran an action, ended with exit code ${exitCode} ${ms} ms after SIGTERM`);
  }
});
