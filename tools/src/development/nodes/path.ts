/**
 * Prints the path of the Node that the images have: `node --import tsx tools/src/development/nodes/path.ts`.
 */
import { cacheFolder, loadEnv, provideNode, readNodeVersions } from '@bulk/local-stack';
import { runCommand } from '../../console/command.ts';

await runCommand(async ({ signal }) => {
  const env = loadEnv();
  const log = (line: string): void => void process.stderr.write(`${line}\n`);
  const { images } = readNodeVersions();
  process.stdout.write(`${await provideNode({ cache: cacheFolder(env), env, log, signal }, images)}\n`);
});
