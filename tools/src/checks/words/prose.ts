import ts from 'typescript';

/** Returns the prose of a Markdown text: neither code, nor a citation of a test, nor the target of a link. */
export function markdownProse(markdown: string): string {
  return markdown
    .replaceAll(/^ *```[\s\S]*?^ *```$/gm, '')
    .replaceAll(/`[^`\n]*\.ts`: ".*"/g, '')
    .replaceAll(/`[^`\n]*`/g, '')
    .replaceAll(/\]\([^)]*\)/g, ']');
}

/** Returns the prose of a TypeScript source: its comments and its texts, without module specifiers. */
export function sourceProse(source: string): string {
  const file = ts.createSourceFile('source.ts', source, ts.ScriptTarget.Latest, false);
  const texts: string[] = [];
  let code = source;
  const take = (node: ts.Node, isProse: boolean): void => {
    const [start, end] = [node.getStart(file), node.getEnd()];
    if (isProse) texts.push(source.slice(start, end));
    code = `${code.slice(0, start)}${' '.repeat(end - start)}${code.slice(end)}`;
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
      if (node.moduleSpecifier !== undefined) take(node.moduleSpecifier, false);
    } else if (ts.isRegularExpressionLiteral(node)) take(node, false);
    else if (ts.isStringLiteralLike(node) || isTemplatePart(node)) take(node, true);
    else ts.forEachChild(node, visit);
  };
  visit(file);
  const comments = [...code.matchAll(/\/\*[\s\S]*?\*\/|\/\/.*/g)].map(([comment]) => comment);
  return [...comments, ...texts].join('\n').replaceAll(/`[\w.#-]+`/g, '');
}

function isTemplatePart(node: ts.Node): boolean {
  return (
    node.kind === ts.SyntaxKind.TemplateHead ||
    node.kind === ts.SyntaxKind.TemplateMiddle ||
    node.kind === ts.SyntaxKind.TemplateTail
  );
}
