/**
 * The type check of one workspace: `node tools/typecheck.mjs <folder>` in the root of the repository.
 *
 * Checks those files of the root tsconfig.json that are in the folder, with its options. All workspaces together are
 * what `tsc -p tsconfig.json` checks. A faulty type in a file of another workspace is reported there, and only there.
 */
import { resolve } from 'node:path';
import ts from 'typescript';

const folder = process.argv[2] ?? '';
const formatHost = {
  getCurrentDirectory: ts.sys.getCurrentDirectory,
  getCanonicalFileName: (file) => file,
  getNewLine: () => ts.sys.newLine,
};

const config = ts.getParsedCommandLineOfConfigFile(
  'tsconfig.json',
  {},
  {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: (problem) => finish([problem]),
  },
);
const isOwn = (file) => file.startsWith(`${resolve(folder)}/`);
// Nothing imports the declarations of untyped packages, so each program needs them by name.
const rootNames = config.fileNames.filter((file) => isOwn(file) || file.endsWith('.d.ts'));
if (!rootNames.some(isOwn)) {
  process.stderr.write(`${folder}: expected a folder with files of tsconfig.json\n`);
  process.exit(2);
}

const program = ts.createProgram({ rootNames, options: config.options });
finish([
  ...config.errors,
  ...program.getOptionsDiagnostics(),
  ...program.getGlobalDiagnostics(),
  ...program
    .getSourceFiles()
    .filter(({ fileName }) => isOwn(resolve(fileName)))
    .flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]),
]);

function finish(problems) {
  process.stdout.write(ts.formatDiagnostics(ts.sortAndDeduplicateDiagnostics(problems), formatHost));
  process.exit(problems.length > 0 ? 1 : 0);
}
