import { StackError } from '../errors.ts';
import { type PartName, partNames, partVariables } from '../state.ts';
import type { TestStackKind, TestStackSettings } from './settings.ts';

/** The result of a check of the container engine. */
export interface EngineReport {
  /** The engine that answers, for people ("Docker 28.2.2"); absent if none does. */
  readonly engine?: string;
  /** The requested images that are not on this machine. */
  readonly missing: readonly string[];
}

export interface TestStackChoice {
  readonly kind: TestStackKind;
  /** One line for people: the choice and its reason. */
  readonly line: string;
}

/**
 * Chooses where the tests find their parts: the choice of TEST_STACK, else the URLs if all are given, else containers
 * if an engine and every needed image are available (a default pulls nothing), else the local stack. Parts that are
 * given by URL are always used as they are.
 *
 * @param look is called only if the choice depends on it.
 * @throws StackError `BAD_ENVIRONMENT` for TEST_STACK=urls without all four, and for TEST_STACK=containers without an
 *   engine.
 */
export async function chooseTestStack(
  settings: TestStackSettings,
  look: (images: readonly string[]) => Promise<EngineReport>,
): Promise<TestStackChoice> {
  const { kind, external } = settings;
  const needed = partNames.filter((name) => external[name] === undefined);
  if (kind === 'urls' && needed.length > 0) {
    const variables = needed.map((name) => partVariables[name]).join(', ');
    throw badEnvironment(`TEST_STACK=urls needs all four, and lacks ${variables}`);
  }
  if (kind === 'urls') return { kind, line: 'parts given by URL (TEST_STACK=urls)' };
  if (kind === 'local') return { kind, line: `local stack (TEST_STACK=local)${given(external)}` };
  if (kind === undefined && needed.length === 0)
    return { kind: 'urls', line: 'parts given by URL (all four)' };
  const { engine, missing } = await look(needed.map((name) => settings.images[name]));
  if (kind === 'containers') {
    if (engine === undefined) throw badEnvironment('TEST_STACK=containers, but no Docker engine answers');
    const pulled = missing.length > 0 ? `; to be pulled: ${missing.join(', ')}` : '';
    return { kind, line: `containers (TEST_STACK=containers, ${engine}${pulled})${given(external)}` };
  }
  if (engine === undefined) {
    return { kind: 'local', line: `local stack (no Docker engine answers)${given(external)}` };
  }
  if (missing.length > 0) {
    const why = `${engine} answers, but has no image ${missing.join(', ')}`;
    return { kind: 'local', line: `local stack (${why})${given(external)}` };
  }
  return { kind: 'containers', line: `containers (${engine} answers and has all images)${given(external)}` };
}

function given(external: TestStackSettings['external']): string {
  const names: PartName[] = partNames.filter((name) => external[name] !== undefined);
  return names.length === 0 ? '' : `, by URL: ${names.join(', ')}`;
}

function badEnvironment(message: string): StackError {
  return new StackError(
    'BAD_ENVIRONMENT',
    message,
    'unset TEST_STACK   # also in .env: what is at hand is used',
  );
}
