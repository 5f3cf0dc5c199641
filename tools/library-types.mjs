import { dirname, join, relative } from 'node:path';
import ts from 'typescript';

/**
 * Returns the declarations of a library, with those that it uses of other workspaces.
 *
 * Each file of source becomes one file of declarations. Imports from a workspace become imports from the file that
 * declares the name, so that the rest of that workspace stays out.
 *
 * @param {string} workspaceRoot
 * @param {string} index path of the library's src/index.ts
 * @returns {{ entry: string, files: Map<string, string> }} texts by path within the folder of types
 * @throws Error if the sources have errors, or a declaration imports a workspace in an unknown form
 */
export function libraryTypes(workspaceRoot, index) {
  const libs = join(workspaceRoot, 'libs');
  const program = ts.createProgram([index], compilerOptions(workspaceRoot, libs));
  const checker = program.getTypeChecker();
  const declarations = new Map();
  const { diagnostics } = program.emit(
    undefined,
    (name, text) => declarations.set(sourceOf(libs, name), text),
    undefined,
    true,
  );
  const errors = [...ts.getPreEmitDiagnostics(program), ...diagnostics];
  if (errors.length > 0)
    throw new Error(
      errors.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n')).join('\n'),
    );

  const files = new Map();
  const pending = [index];
  for (let source = pending.pop(); source !== undefined; source = pending.pop()) {
    const path = pathOf(libs, source);
    if (files.has(path)) continue;
    const { text, uses } = rewrite(source, declarations.get(source));
    files.set(path, text);
    pending.push(...uses);
  }
  return { entry: pathOf(libs, index), files };

  /** Rewrites the imports of one file. @returns its text and the sources that it imports. */
  function rewrite(source, text) {
    const uses = [];
    const edits = [];
    const file = ts.createSourceFile(source, text, ts.ScriptTarget.Latest, true);
    const importOf = (target) => {
      uses.push(target);
      const path = relative(dirname(pathOf(libs, source)), pathOf(libs, target)).replace(/\.d\.ts$/, '.js');
      return `'${path.startsWith('.') ? path : `./${path}`}'`;
    };
    visit(file);
    return {
      text: edits.reduceRight((so, { from, to, by }) => so.slice(0, from) + by + so.slice(to), text),
      uses,
    };

    function visit(node) {
      const specifier = specifierOf(node);
      if (specifier?.text.startsWith('.')) {
        replace(specifier, importOf(join(dirname(source), specifier.text)));
      } else if (specifier?.text.startsWith('@bulk/')) {
        if (ts.isImportTypeNode(node))
          replace(specifier, importOf(declared(specifier.text, firstName(node)).source));
        else replace(node, split(node, specifier.text));
      }
      ts.forEachChild(node, visit);
    }

    function replace(node, by) {
      edits.push({ from: node.getStart(file), to: node.end, by });
    }

    /** Returns one statement for each file that declares names of this one. */
    function split(node, workspace) {
      const clause = ts.isImportDeclaration(node) ? node.importClause?.namedBindings : node.exportClause;
      if (clause === undefined || !(ts.isNamedImports(clause) || ts.isNamedExports(clause)))
        throw new Error(`${source}: expected named imports in: ${node.getText(file)}`);
      const keyword = ts.isImportDeclaration(node) ? 'import' : 'export';
      const type =
        (ts.isImportDeclaration(node) ? node.importClause : node).isTypeOnly === true ? ' type' : '';
      const names = new Map();
      for (const element of clause.elements) {
        const { name, source: target } = declared(workspace, (element.propertyName ?? element.name).text);
        const local = element.name.text;
        const one = `${element.isTypeOnly ? 'type ' : ''}${name === local ? name : `${name} as ${local}`}`;
        names.set(target, [...(names.get(target) ?? []), one]);
      }
      return [...names]
        .map(([target, list]) => `${keyword}${type} { ${list.join(', ')} } from ${importOf(target)};`)
        .join('\n');
    }
  }

  /** Returns where a name that a workspace exports is declared, and its name there. */
  function declared(workspace, name) {
    const exporting = program.getSourceFile(join(libs, workspace.slice('@bulk/'.length), 'src', 'index.ts'));
    const exports = checker.getExportsOfModule(checker.getSymbolAtLocation(exporting));
    const found = exports.find((symbol) => symbol.name === name);
    if (found === undefined) throw new Error(`${workspace} exports no ${name}`);
    const symbol = found.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(found) : found;
    return { name: symbol.name, source: symbol.declarations[0].getSourceFile().fileName };
  }
}

function compilerOptions(workspaceRoot, libs) {
  const { config } = ts.readConfigFile(join(workspaceRoot, 'tsconfig.base.json'), ts.sys.readFile);
  // Through node_modules they would count as foreign, and have no declarations.
  const paths = { '@bulk/*': ['./libs/*/src/index.ts'] };
  const own = {
    paths,
    noEmit: false,
    declaration: true,
    emitDeclarationOnly: true,
    rootDir: libs,
    outDir: libs,
  };
  const compilerOptions = { ...config.compilerOptions, ...own };
  return ts.parseJsonConfigFileContent({ compilerOptions, files: [] }, ts.sys, workspaceRoot).options;
}

function specifierOf(node) {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier;
  return ts.isImportTypeNode(node) ? node.argument.literal : undefined;
}

function firstName({ qualifier }) {
  let name = qualifier;
  while (name !== undefined && ts.isQualifiedName(name)) name = name.left;
  if (name === undefined) throw new Error('expected a name after import("@bulk/…")');
  return name.text;
}

/** `libs/client/src/errors.ts` of the declarations `libs/client/src/errors.d.ts`. */
function sourceOf(libs, name) {
  return join(libs, relative(libs, name)).replace(/\.d\.ts$/, '.ts');
}

/** `client/errors.d.ts` of the source `libs/client/src/errors.ts`. */
function pathOf(libs, source) {
  const [library, , ...rest] = relative(libs, source).split('/');
  return [library, ...rest].join('/').replace(/\.ts$/, '.d.ts');
}
