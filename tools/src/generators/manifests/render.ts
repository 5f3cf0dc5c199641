import { join } from 'node:path';
import { CodedError } from '@bulk/domain';
import { provideKustomize, run, workspaceRoot, type ProvisionContext } from '@bulk/local-stack';
import { parseAllDocuments } from 'yaml';
import { manifestSchema, type Manifest } from './manifest.ts';

export const OVERLAYS = ['dev', 'prod'] as const;
export type Overlay = (typeof OVERLAYS)[number];

/** Thrown when a kustomization does not render. The message is the output of kustomize. */
export class NotRenderedError extends CodedError {
  constructor(overlay: Overlay, output: string) {
    super('NOT_RENDERED', `deploy/k8s/overlays/${overlay}: ${output.trim()}`);
  }
}

/** A rendered overlay: the text for other tools, and its objects. */
export interface Rendered {
  readonly text: string;
  readonly manifests: readonly Manifest[];
}

/**
 * @throws NotRenderedError; StackError without a kustomize; ZodError for anything but objects of
 * Kubernetes.
 */
export async function renderOverlay(overlay: Overlay, context: ProvisionContext): Promise<Rendered> {
  const [program, ...args] = await provideKustomize(context);
  const folder = join(workspaceRoot, 'deploy', 'k8s', 'overlays', overlay);
  let text = '';
  const { code, output } = await run(program, [...args, folder], {
    env: context.env,
    onOutput: (part) => (text += part),
  });
  if (code !== 0) throw new NotRenderedError(overlay, output);
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
