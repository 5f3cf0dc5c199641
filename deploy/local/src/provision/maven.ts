import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { StackError } from '../errors.ts';
import { withLock } from '../lock.ts';
import { packageRoot } from '../paths.ts';
import { installPackage } from './apt.ts';
import { provideFolder, verifyPinned } from './artifacts.ts';
import { findOnPath, type ProvisionContext, run, tail } from './tools.ts';

export const kafkaVersion = '4.1.1';
export const registryVersion = '2.6.13.Final';

const plugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1';
const pins = join(packageRoot, 'maven');

/** Provides Kafka's jars and returns their folder, for the class path. */
export function provideKafka(context: ProvisionContext): Promise<string> {
  return provideFolder(context, {
    name: `kafka-${kafkaVersion}`,
    fill: async (folder) => {
      context.log('kafka: downloading 54 MB from Maven Central (once)…');
      const pom = join(pins, 'kafka.pom.xml');
      await maven(context, ['-f', pom, `${plugin}:copy-dependencies`, `-DoutputDirectory=${folder}`]);
      await verifyPinned(folder, join(pins, 'kafka.sha256'));
    },
  });
}

/** Provides Apicurio Registry, unpacked, and returns the jar to run. */
export async function provideRegistry(context: ProvisionContext): Promise<string> {
  const folder = await provideFolder(context, {
    name: `apicurio-registry-${registryVersion}`,
    fill: async (folder) => {
      context.log('registry: downloading 142 MB from Maven Central (once)…');
      const artifact = `io.apicurio:apicurio-registry-app:${registryVersion}:tar.gz:all`;
      await maven(
        context,
        [`${plugin}:copy`, `-Dartifact=${artifact}`, `-DoutputDirectory=${folder}`],
        folder,
      );
      await verifyPinned(folder, join(pins, 'registry.sha256'));
      const [archive = ''] = readdirSync(folder);
      const unpacked = await run('tar', ['-xzf', join(folder, archive), '-C', folder], context);
      if (unpacked.code !== 0) {
        throw new StackError('INSTALL_FAILED', `tar: ${tail(unpacked.output)}`, 'npm run stack -- up');
      }
      rmSync(join(folder, archive));
    },
  });
  return join(folder, `apicurio-registry-app-${registryVersion}-runner.jar`);
}

async function maven(context: ProvisionContext, goal: readonly string[], cwd = packageRoot): Promise<void> {
  if (findOnPath('mvn', context.env) === undefined) {
    await installPackage(context, { what: 'maven', packages: ['maven'] });
  }
  // Maven's own repository does not support several writers, and every fresh one first fetches the same plugin.
  const options = { timeoutMs: 900_000, signal: context.signal };
  const result = await withLock(join(context.cache, 'maven.lock'), options, () =>
    // -C: a download whose checksum differs from the repository's fails instead of warning.
    run('mvn', ['-q', '-B', '-C', '-ntp', ...goal], { ...context, cwd }),
  );
  if (result.code !== 0) {
    throw new StackError(
      'DOWNLOAD_FAILED',
      `Maven could not download (is Maven Central reachable, also through ~/.m2/settings.xml?):\n${tail(result.output)}`,
      'npm run stack -- up   # once it is reachable',
    );
  }
}
