import { join } from 'node:path';
import { CodedError } from '@bulk/domain';
import { provideKustomize, run, workspaceRoot, type ProvisionContext } from '@bulk/local-stack';
import { parseAllDocuments } from 'yaml';
import { manifestSchema, type Manifest } from './manifest.ts';

export const OVERLAYS = ['dev', 'prod'] as const;
export type Overlay = (typeof OVERLAYS)[number];

/** Thrown when a kustomization does not render. The message is the output of kustomize. */
export class NotRenderedError extends CodedError {
  constructor(folder: string, output: string) {
    super('NOT_RENDERED', `${folder}: ${output.trim()}`);
  }
}

/** A rendered kustomization: the text for other tools, and its objects. */
export interface Rendered {
  readonly text: string;
  readonly manifests: readonly Manifest[];
}

/** Returns the folders of an overlay in the order in which they are applied: topics, services. */
export function foldersOf(overlay: Overlay): string[] {
  const folder = join(workspaceRoot, 'deploy', 'k8s', 'overlays', overlay);
  return [join(folder, 'topics'), folder];
}

/**
 * Renders kustomizations, one after the other, as one.
 *
 * @throws NotRenderedError; StackError without a kustomize; ZodError for anything but objects of
 * Kubernetes.
 */
export async function render(folders: readonly string[], context: ProvisionContext): Promise<Rendered> {
  const [program, ...args] = await provideKustomize(context);
  const texts: string[] = [];
  for (const folder of folders) {
    let text = '';
    const { code, output } = await run(program, [...args, folder], {
      env: context.env,
      onOutput: (part) => (text += part),
    });
    if (code !== 0) throw new NotRenderedError(folder, output);
    texts.push(text);
  }
  const text = texts.join('---\n');
  return { text, manifests: parseManifests(text) };
}

/** @throws the parser's error; ZodError. */
export function parseManifests(text: string): Manifest[] {
  return parseAllDocuments(text).map((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw error;
    return manifestSchema.parse(document.toJS());
  });
}
