import { join } from 'node:path';
import { StackError } from '../errors.ts';
import { installPackage } from './apt.ts';
import { findOnPath, isExecutable, type ProvisionContext, run } from './tools.ts';

const required = 17;

/** Reads the major version from the output of `java -version`; old ones call themselves 1.8. */
export function parseJavaVersion(output: string): number | undefined {
  const match = /version "(?:1\.)?(\d+)/.exec(output);
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

/** Provides a Java that runs Kafka 4 and the registry: JAVA_HOME's, the PATH's, or one installed now. */
export async function provideJava(context: ProvisionContext): Promise<string> {
  const first = await findJava(context);
  if (first.path !== undefined) return first.path;
  const what =
    first.found === undefined
      ? `Java ${required} or newer`
      : `Java ${required} or newer (found ${first.found})`;
  await installPackage(context, { what, packages: ['openjdk-17-jre-headless', 'openjdk-21-jre-headless'] });
  const second = await findJava(context);
  if (second.path !== undefined) return second.path;
  throw new StackError('MISSING_TOOL', `${what} is missing even after its installation`, 'unset JAVA_HOME');
}

async function findJava(context: ProvisionContext): Promise<{ path?: string; found?: number }> {
  const home = context.env.JAVA_HOME;
  const candidates = [
    ...(home !== undefined && home !== '' ? [join(home, 'bin', 'java')].filter(isExecutable) : []),
    ...[findOnPath('java', context.env)].filter((path) => path !== undefined),
  ];
  let found: number | undefined;
  for (const path of candidates) {
    const version = parseJavaVersion(
      (await run(path, ['-version'], { env: context.env, signal: context.signal })).output,
    );
    if (version !== undefined && version >= required) return { path };
    found ??= version;
  }
  return found === undefined ? {} : { found };
}
