import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { workspaceRoot } from '@bulk/local-stack';
import ts from 'typescript';

type CreateNodes = (
  files: readonly string[],
) => readonly (readonly [
  string,
  { readonly projects: Record<string, { readonly targets: Record<string, { readonly command: string }> }> },
])[];

// Plain JavaScript, because Nx loads it before TypeScript can be loaded.
const path = '../../nx-targets.mjs';
const {
  createNodesV2: [, createNodes],
} = (await import(path)) as { createNodesV2: readonly [string, CreateNodes] };

const { workspaces } = JSON.parse(readFileSync(join(workspaceRoot, 'package.json'), 'utf8')) as {
  workspaces: readonly string[];
};
/** The folders of all workspaces. */
const folders = workspaces
  .flatMap((pattern) =>
    basename(pattern) === '*'
      ? readdirSync(join(workspaceRoot, dirname(pattern))).map((name) => join(dirname(pattern), name))
      : [pattern],
  )
  .filter((folder) => existsSync(join(workspaceRoot, folder, 'package.json')));

describe('the targets of Nx', () => {
  it('run the unit tests of every workspace that has any', () => {
    const files = ['libs/a/package.json', 'libs/a/src/deep/a.spec.ts', 'libs/ab/package.json'];
    const targets = createNodes(files).map(([file, { projects }]) => [
      file,
      Object.entries(projects).map(([folder, project]) => [folder, Object.keys(project.targets)]),
    ]);
    expect(targets).toEqual([
      ['libs/a/package.json', [['libs/a', ['typecheck', 'lint', 'test']]]],
      ['libs/ab/package.json', [['libs/ab', ['typecheck', 'lint']]]],
    ]);
  });

  it('together check the types of every file in tsconfig.json', () => {
    const { config } = ts.readConfigFile(join(workspaceRoot, 'tsconfig.json'), (file) =>
      ts.sys.readFile(file),
    ) as { config: unknown };
    const { fileNames } = ts.parseJsonConfigFileContent(config, ts.sys, workspaceRoot);
    const inside = folders.map((folder) => `${join(workspaceRoot, folder)}/`);
    expect(fileNames.length).toBeGreaterThan(500);
    expect(fileNames.filter((file) => !inside.some((folder) => file.startsWith(folder)))).toEqual([]);
    expect(inside.filter((folder) => !fileNames.some((file) => file.startsWith(folder)))).toEqual([]);
  });
});
