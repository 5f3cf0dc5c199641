export { csvEntities, type CsvOptions } from './csv.ts';
export { UnknownCharsetError, utf8Of } from './encoding.ts';
export { columnMapIssues } from './column-map.ts';
export { CSV_NULL, escapeFormulas } from './formulas.ts';
export { parseJson, type ParsedJson } from './json-text.ts';
export { ndjsonEntities, type NdjsonOptions } from './ndjson.ts';
export { sourceOf, withSource, type RowSource, type SourceFile } from './source.ts';
export { namesOf } from './names.ts';
export { quoted } from './visible.ts';
